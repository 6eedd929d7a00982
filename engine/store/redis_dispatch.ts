/**
 * The dispatcher in Redis: a stream a shard, read by one consumer group, and a sorted set of
 * retries. Everything in it may be lost at any time; groups are created when they are missed, and
 * the marker that the dispatcher is complete counts only for the server run that saw it set.
 */
import type { ChainableCommander } from "ioredis";
import type { DeliveryId } from "../mail/queue_id.ts";
import {
  type Dispatch,
  type DispatchDepth,
  type DispatchEntry,
  IDS_PER_ENTRY,
  type ReadyDelivery,
  type RetryDelivery,
  SHARDS,
} from "./dispatch.ts";
import { DispatchSurplus } from "./dispatch_surplus.ts";
import { checkRead, inTurn, packEntries } from "./dispatch_batches.ts";
import { StoreUnavailableError } from "./errors.ts";
import depthLua from "./lua/depth.lua" with { type: "text" };
import enqueueLua from "./lua/enqueue.lua" with { type: "text" };
import promoteLua from "./lua/promote.lua" with { type: "text" };
import readLua from "./lua/read.lua" with { type: "text" };
import reclaimLua from "./lua/reclaim.lua" with { type: "text" };
import { RedisConnection, type RedisConnectionOptions, redisScript } from "./redis_connection.ts";

const GROUP = "delivery";
const SCRIPTS = {
  depth: redisScript(depthLua),
  enqueue: redisScript(enqueueLua),
  promote: redisScript(promoteLua),
  read: redisScript(readLua),
  reclaim: redisScript(reclaimLua),
};
/** Entries and retries one command adds at the most, so that no command holds Redis up. */
const ENTRIES_PER_COMMAND = 256;
const RETRIES_PER_COMMAND = 2_048;
/** Reads that may wait at once, each on a connection of its own. */
const MAX_READERS = 64;
/** After this long without a sign of life, a consumer that holds nothing is removed. */
const CONSUMER_GONE_MS = 3_600_000;

export interface RedisDispatchOptions extends RedisConnectionOptions {
  /** What every key starts with, `smtp:` if left out. */
  readonly keyPrefix?: string;
}

/** Opens its connections in the background; calls made before they are up wait for a moment. */
export function redisDispatch(options: RedisDispatchOptions): Dispatch {
  return new RedisDispatch(options);
}

class RedisDispatch implements Dispatch {
  #connection: RedisConnection;
  #readers = new Set<RedisConnection>();
  #idleReaders: RedisConnection[] = [];
  #surplus = new DispatchSurplus();
  #streams: readonly string[];
  #retryKey: string;
  #builtKey: string;
  #turn = 0;
  #disposed = false;

  constructor(private readonly options: RedisDispatchOptions) {
    const prefix = options.keyPrefix ?? "smtp:";
    this.#streams = Array.from({ length: SHARDS }, (_, shard) => `${prefix}queue:${shard}`);
    this.#retryKey = `${prefix}queue:retry`;
    this.#builtKey = `${prefix}queue:built`;
    this.#connection = new RedisConnection(options);
  }

  async enqueue(ready: readonly ReadyDelivery[]): Promise<void> {
    const batches = packEntries(ready);
    for (let start = 0; start < batches.length; start += ENTRIES_PER_COMMAND) {
      const args: (string | number)[] = [];
      const keyOf = new Map<number, number>();
      for (const { shard, ids } of batches.slice(start, start + ENTRIES_PER_COMMAND)) {
        let key = keyOf.get(shard);
        if (key === undefined) keyOf.set(shard, key = keyOf.size + 1);
        args.push(key, ids.join(" "));
      }
      await this.#connection.run(SCRIPTS.enqueue, this.#keys([...keyOf.keys()]), args);
    }
  }

  async read(
    shards: readonly number[],
    options: { consumer: string; maxEntries: number; waitMs: number },
  ): Promise<readonly DispatchEntry[]> {
    checkRead(shards, options.maxEntries);
    if (this.#disposed) throw new StoreUnavailableError("the dispatcher is closed");
    const kept = this.#surplus.take(shards, options);
    if (kept.length > 0) return kept;
    try {
      return await this.#readOrWait(inTurn(shards, this.#turn++), options);
    } catch (error) {
      if (this.#disposed) return [];
      throw error;
    }
  }

  async acknowledge(entries: readonly DispatchEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const byShard = Map.groupBy(entries, (entry) => entry.shard);
    await this.#connection.call(async (redis) => {
      const pipeline = redis.pipeline();
      for (const [shard, settled] of byShard) {
        const ids = settled.map((entry) => entry.entryId);
        // Deleted first: what is deleted and still pending, XAUTOCLAIM clears; the opposite stays.
        pipeline.xdel(this.#streams[shard], ...ids);
        pipeline.xack(this.#streams[shard], GROUP, ...ids);
      }
      await answersOf(pipeline);
    });
  }

  async retryAt(retries: readonly RetryDelivery[]): Promise<void> {
    for (let start = 0; start < retries.length; start += RETRIES_PER_COMMAND) {
      const args: (string | number)[] = [];
      for (const { id, shard, atMs } of retries.slice(start, start + RETRIES_PER_COMMAND)) {
        args.push(atMs, `${shard}:${id}`);
      }
      await this.#connection.call((redis) => redis.zadd(this.#retryKey, ...args));
    }
  }

  async promote(nowMs: number, limit: number): Promise<number> {
    const keys = [this.#retryKey, ...this.#streams];
    const args = [nowMs, limit, IDS_PER_ENTRY];
    return await this.#connection.run(SCRIPTS.promote, keys, args) as number;
  }

  async reclaim(
    shards: readonly number[],
    options: { consumer: string; minIdleMs: number; maxEntries: number },
  ): Promise<readonly DispatchEntry[]> {
    checkRead(shards, options.maxEntries);
    const { consumer, minIdleMs, maxEntries } = options;
    const args = [GROUP, consumer, minIdleMs, maxEntries, CONSUMER_GONE_MS];
    const reply = await this.#connection.run(SCRIPTS.reclaim, this.#keys(shards), args);
    return parseTriples(reply, shards);
  }

  async depth(): Promise<DispatchDepth> {
    const keys = [this.#retryKey, ...this.#streams];
    const counts = await this.#connection.run(SCRIPTS.depth, keys, [GROUP]) as number[];
    return {
      retry: counts[0],
      ready: this.#streams.map((_, shard) => counts[1 + 3 * shard]),
      readySinceMs: this.#streams.map((_, shard) => {
        const sinceMs = counts[3 + 3 * shard];
        return sinceMs < 0 ? null : sinceMs;
      }),
      pending: this.#streams.map((_, shard) => counts[2 + 3 * shard]),
    };
  }

  /** A restarted server may hold an old snapshot: complete once, stale now. */
  async needsRebuild(): Promise<boolean> {
    return await this.#connection.call(async (redis) => {
      const pipeline = redis.pipeline().get(this.#builtKey).info("server");
      const [built, info] = await answersOf(pipeline);
      return built !== runIdOf(String(info));
    });
  }

  async markBuilt(): Promise<void> {
    await this.#connection.call(async (redis) => {
      await redis.set(this.#builtKey, runIdOf(await redis.info("server")));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const connections = [this.#connection, ...this.#readers];
    await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
  }

  #keys(shards: readonly number[]): string[] {
    return shards.map((shard) => this.#streams[shard]);
  }

  async #readOrWait(
    shards: readonly number[],
    options: { consumer: string; maxEntries: number; waitMs: number },
  ): Promise<readonly DispatchEntry[]> {
    const { consumer, maxEntries, waitMs } = options;
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const args = [GROUP, consumer, maxEntries];
      const reply = await this.#connection.run(SCRIPTS.read, this.#keys(shards), args);
      const entries = parseTriples(reply, shards);
      const leftMs = Math.ceil(untilMs - performance.now());
      if (entries.length > 0 || leftMs <= 0) return entries;
      const woken = await this.#wait(shards, { consumer, maxEntries, waitMs: leftMs });
      if (woken !== "streamLost") return this.#surplus.keep(woken, options);
    }
  }

  async #wait(
    shards: readonly number[],
    options: { consumer: string; maxEntries: number; waitMs: number },
  ): Promise<readonly DispatchEntry[] | "streamLost"> {
    const { consumer, maxEntries, waitMs } = options;
    // COUNT holds for each stream, not for all.
    const count = Math.max(1, Math.floor(maxEntries / shards.length));
    const args = ["GROUP", GROUP, consumer, "COUNT", count, "BLOCK", waitMs, "STREAMS"];
    args.push(...this.#keys(shards), ...shards.map(() => ">"));
    const reader = this.#acquireReader();
    try {
      return await reader.call(async (redis) => {
        try {
          return this.#parseStreams(await redis.call("XREADGROUP", ...args));
        } catch (error) {
          if (isStreamLost(error)) return "streamLost";
          throw error;
        }
      }, { blocksMs: waitMs });
    } finally {
      this.#idleReaders.push(reader);
    }
  }

  #acquireReader(): RedisConnection {
    const idle = this.#idleReaders.pop();
    if (idle !== undefined) return idle;
    if (this.#disposed) throw new StoreUnavailableError("the dispatcher is closed");
    if (this.#readers.size >= MAX_READERS) throw new StoreUnavailableError("too many reads wait");
    const reader = new RedisConnection(this.options);
    this.#readers.add(reader);
    return reader;
  }

  #parseStreams(reply: unknown): readonly DispatchEntry[] {
    const entries: DispatchEntry[] = [];
    for (const [key, found] of (reply ?? []) as [string, [string, [string, string]][]][]) {
      const shard = this.#streams.indexOf(key);
      for (const [entryId, [, ids]] of found) {
        entries.push({ shard, entryId, ids: ids.split(" ") as DeliveryId[] });
      }
    }
    return entries;
  }
}

/** Reads flat triples: index into the streams asked for from 1, entry id, ids. */
function parseTriples(reply: unknown, shards: readonly number[]): readonly DispatchEntry[] {
  const fields = reply as (number | string)[];
  const entries: DispatchEntry[] = [];
  for (let i = 0; i < fields.length; i += 3) {
    entries.push({
      shard: shards[Number(fields[i]) - 1],
      entryId: String(fields[i + 1]),
      ids: String(fields[i + 2]).split(" ") as DeliveryId[],
    });
  }
  return entries;
}

/** Redis ends the wait on a stream that is deleted, and a new one has no group yet. */
function isStreamLost(error: unknown): boolean {
  return error instanceof Error && /^(NOGROUP|UNBLOCKED)/.test(error.message);
}

/** @throws the first error among the answers of a pipeline. */
async function answersOf(pipeline: ChainableCommander): Promise<readonly unknown[]> {
  const answers = await pipeline.exec() ?? [];
  return answers.map(([error, answer]) => {
    if (error !== null) throw error;
    return answer;
  });
}

/** What names one run of the server, so that a restart is noticed. */
function runIdOf(serverInfo: string): string {
  return /^run_id:(\w+)/m.exec(serverInfo)?.[1] ?? "unknown";
}
