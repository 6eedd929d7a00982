/**
 * The embedded dispatcher: what `redisDispatch` keeps in Redis, kept in this process and forgotten
 * with it. It answers like Redis in every respect the contract names.
 */
import type { DeliveryId } from "../mail/queue_id.ts";
import {
  type Dispatch,
  type DispatchDepth,
  type DispatchEntry,
  type ReadyDelivery,
  type RetryDelivery,
  SHARDS,
} from "./dispatch.ts";
import { checkRead, inTurn, packEntries } from "./dispatch_batches.ts";
import { StoreUnavailableError } from "./errors.ts";
import { MemoryStream } from "./memory_stream.ts";
import { RetryHeap } from "./retry_heap.ts";

/** How a read can be called off. */
export interface MemoryReadOptions {
  readonly consumer: string;
  readonly maxEntries: number;
  readonly waitMs: number;
  /** Ends the wait with an empty answer; no entry is handed out after it. */
  readonly signal?: AbortSignal;
}

/** A dispatcher whose waiting reads can be called off one by one. */
export interface MemoryDispatch extends Dispatch {
  /** Reads that wait now. */
  readonly waitingReads: number;
  read(shards: readonly number[], options: MemoryReadOptions): Promise<readonly DispatchEntry[]>;
}

interface WaitingRead {
  readonly shards: readonly number[];
  readonly maxEntries: number;
  /** Ends the wait. Called once. */
  readonly finish: (entries: readonly DispatchEntry[]) => void;
}

/** @param options `now` answers Unix ms and times how long entries are pending. */
export function memoryDispatch(options: { now: () => number }): MemoryDispatch {
  return new InProcessDispatch(options.now);
}

class InProcessDispatch implements MemoryDispatch {
  #streams = Array.from({ length: SHARDS }, () => new MemoryStream());
  #retry = new RetryHeap();
  #waiting = new Set<WaitingRead>();
  #lastEntry = 0;
  #turn = 0;
  #built = false;
  #disposed = false;

  constructor(private readonly now: () => number) {}

  get waitingReads(): number {
    return this.#waiting.size;
  }

  // Each method is async so that a fault is a rejection, as it is with Redis.
  // deno-lint-ignore require-await
  async enqueue(ready: readonly ReadyDelivery[]): Promise<void> {
    this.#check();
    this.#append(ready);
  }

  async read(
    shards: readonly number[],
    options: MemoryReadOptions,
  ): Promise<readonly DispatchEntry[]> {
    this.#check();
    checkRead(shards, options.maxEntries);
    if (options.signal?.aborted) return [];
    const entries = this.#take(shards, options.maxEntries);
    if (entries.length > 0 || options.waitMs <= 0) return entries;
    return await this.#wait(shards, options);
  }

  // deno-lint-ignore require-await
  async acknowledge(entries: readonly DispatchEntry[]): Promise<void> {
    this.#check();
    for (const { shard, entryId } of entries) this.#streams[shard].acknowledge(entryId);
  }

  // deno-lint-ignore require-await
  async retryAt(retries: readonly RetryDelivery[]): Promise<void> {
    this.#check();
    for (const { id, shard, atMs } of retries) this.#retry.set(`${shard}:${id}`, atMs);
  }

  // deno-lint-ignore require-await
  async promote(nowMs: number, limit: number): Promise<number> {
    this.#check();
    const due: ReadyDelivery[] = [];
    while (due.length < limit) {
      const member = this.#retry.takeDue(nowMs);
      if (member === null) break;
      const colon = member.indexOf(":");
      due.push({
        shard: Number(member.slice(0, colon)),
        id: member.slice(colon + 1) as DeliveryId,
      });
    }
    this.#append(due);
    return due.length;
  }

  // deno-lint-ignore require-await
  async reclaim(
    shards: readonly number[],
    options: { consumer: string; minIdleMs: number; maxEntries: number },
  ): Promise<readonly DispatchEntry[]> {
    this.#check();
    checkRead(shards, options.maxEntries);
    const nowMs = this.now();
    const claimed: DispatchEntry[] = [];
    for (const shard of shards) {
      const left = options.maxEntries - claimed.length;
      if (left === 0) break;
      const times = { readBeforeMs: nowMs - options.minIdleMs, nowMs };
      claimed.push(...this.#streams[shard].reclaim(left, times));
    }
    return claimed;
  }

  // deno-lint-ignore require-await
  async depth(): Promise<DispatchDepth> {
    this.#check();
    return {
      ready: this.#streams.map((stream) => stream.unread),
      readySinceMs: this.#streams.map((stream) => stream.unreadSinceMs),
      pending: this.#streams.map((stream) => stream.pending),
      retry: this.#retry.size,
    };
  }

  // deno-lint-ignore require-await
  async needsRebuild(): Promise<boolean> {
    this.#check();
    return !this.#built;
  }

  // deno-lint-ignore require-await
  async markBuilt(): Promise<void> {
    this.#check();
    this.#built = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const waiting of [...this.#waiting]) waiting.finish([]);
    return Promise.resolve();
  }

  #check(): void {
    if (this.#disposed) throw new StoreUnavailableError("the dispatcher is closed");
  }

  #append(ready: readonly ReadyDelivery[]): void {
    const nowMs = this.now();
    for (const { shard, ids } of packEntries(ready)) {
      this.#streams[shard].add({ shard, entryId: `${nowMs}-${++this.#lastEntry}`, ids });
    }
    for (const waiting of [...this.#waiting]) {
      const entries = this.#take(waiting.shards, waiting.maxEntries);
      if (entries.length > 0) waiting.finish(entries);
    }
  }

  /** Each shard may fill an equal part first, so that a long one does not starve the others. */
  #take(shards: readonly number[], maxEntries: number): readonly DispatchEntry[] {
    const nowMs = this.now();
    const turn = inTurn(shards, this.#turn++);
    const share = Math.ceil(maxEntries / shards.length);
    const taken: DispatchEntry[] = [];
    for (const count of [share, maxEntries]) {
      for (const shard of turn) {
        this.#streams[shard].take(Math.min(count, maxEntries - taken.length), nowMs, taken);
      }
    }
    return taken;
  }

  #wait(
    shards: readonly number[],
    { maxEntries, waitMs, signal }: MemoryReadOptions,
  ): Promise<readonly DispatchEntry[]> {
    return new Promise((resolve) => {
      const callOff = () => waiting.finish([]);
      const timer = setTimeout(callOff, waitMs);
      const waiting: WaitingRead = {
        shards,
        maxEntries,
        finish: (entries) => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", callOff);
          this.#waiting.delete(waiting);
          resolve(entries);
        },
      };
      signal?.addEventListener("abort", callOff);
      this.#waiting.add(waiting);
    });
  }
}
