/**
 * Keeps dispatcher and spool in step: tells the dispatcher of deliveries it does not know (it lost its
 * memory, or was away when they were committed), ends leases of the dead, frees bodies nobody needs.
 */
import type { DeliveryId } from "../mail/queue_id.ts";
import { type Dispatch, shardOf, SHARDS } from "../store/dispatch.ts";
import type { PendingDelivery, Spool } from "../store/spool.ts";

export interface HousekeeperOptions {
  readonly spool: Spool;
  readonly dispatch: Dispatch;
  /** How long finished messages are remembered. */
  readonly historyMs: number;
  readonly now: () => number;
  readonly onError: (context: string, error: unknown) => void;
  /** How many deliveries the dispatcher was told of, and why. */
  readonly onRequeued: (reason: "rebuild" | "overdue" | "abandoned", count: number) => void;
}

const PAGE = 2_000;
const SWEEP_MS = 10_000;
/** A sweep may read the whole queue: it rests this many times as long as it took. */
const SWEEP_REST = 20;
/** How long a delivery may be overdue, with nothing waiting ahead of it, before it counts as forgotten. */
const OVERDUE_MS = 10_000;
/** What the dead had under way at the stores is over by then. */
const LAST_WORDS_MS = 5_000;
const ABANDON_CHECK_MS = 1_000;
const PURGE_MS = 60_000;
const FORGET_MS = 60_000;
/** Messages are forgotten some thousand at a time, with room for mail in between. */
const FORGET_AGAIN_MS = 100;
const REBUILD_CHECK_MS = 1_000;

export class Housekeeper implements Disposable {
  readonly #options: HousekeeperOptions;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** Owners that died, and when to end their leases once more. */
  readonly #dead = new Map<string, number>();
  /** When the dispatcher was last told of what it may have had already, by shard. */
  readonly #toldAtMs = Array.from({ length: SHARDS }, () => -Infinity);
  #isDisposed = false;

  constructor(options: HousekeeperOptions) {
    this.#options = options;
  }

  /**
   * Ends the leases of a worker or node that died, and sets its deliveries on their way again.
   * @throws {StoreUnavailableError}
   */
  async abandon(ownerPrefix: string): Promise<void> {
    const { spool, onRequeued } = this.#options;
    const freed = await spool.abandon(ownerPrefix);
    await this.#tell(freed);
    if (freed.length > 0) onRequeued("abandoned", freed.length);
  }

  /**
   * Does so for a worker that just died, now and once more: a claim of its last moment may be granted
   * after its death was noticed.
   */
  async bury(owner: string): Promise<void> {
    this.#dead.set(owner, this.#options.now() + LAST_WORDS_MS);
    await this.abandon(owner);
  }

  /** Tells the dispatcher of every unfinished delivery. */
  async rebuild(): Promise<void> {
    const { dispatch, onRequeued } = this.#options;
    const count = await this.#tellAll(Array.from({ length: SHARDS }, () => Infinity));
    await dispatch.markBuilt();
    if (count > 0) onRequeued("rebuild", count);
  }

  /**
   * Tells the dispatcher of what it forgot. A shard's entries are read in order, so what was due long
   * before its oldest unread entry was added is not among them, however long the queue is; and nothing
   * is told twice before the dispatcher has read all it was told.
   */
  async sweep(): Promise<void> {
    const { dispatch, now, onRequeued } = this.#options;
    const nowMs = now();
    const { readySinceMs } = await dispatch.depth();
    const dueBeforeMs = readySinceMs.map((sinceMs, shard) => {
      if (sinceMs === null) return nowMs - OVERDUE_MS;
      // The dispatcher's clock may not be ours, hence the margin.
      return sinceMs > this.#toldAtMs[shard] + OVERDUE_MS ? sinceMs - OVERDUE_MS : -Infinity;
    });
    const count = await this.#tellAll(dueBeforeMs);
    if (count > 0) onRequeued("overdue", count);
  }

  /** Looks after the stores until disposed of. */
  start(): void {
    const { spool, now } = this.#options;
    this.#every("rebuild", REBUILD_CHECK_MS, async () => {
      if (await this.#options.dispatch.needsRebuild()) await this.rebuild();
    });
    this.#every("sweep", SWEEP_MS, () => this.sweep(), SWEEP_REST);
    this.#every("abandon", ABANDON_CHECK_MS, async () => {
      for (const [owner, atMs] of this.#dead) {
        if (now() < atMs) continue;
        await this.abandon(owner);
        this.#dead.delete(owner);
      }
    });
    this.#every("purge", PURGE_MS, () => spool.purge(now()));
    this.#every("forget", FORGET_MS, async () => {
      while (await spool.forget(now() - this.#options.historyMs) > 0 && !this.#isDisposed) {
        await new Promise((resolve) => setTimeout(resolve, FORGET_AGAIN_MS));
      }
    });
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Tells of what was due before its shard's time; of everything unfinished where that is Infinity. */
  async #tellAll(dueBeforeMs: readonly number[]): Promise<number> {
    const latestMs = Math.max(...dueBeforeMs);
    if (latestMs === -Infinity) return 0;
    let after: DeliveryId | null = null;
    let count = 0;
    while (!this.#isDisposed) {
      const page: readonly PendingDelivery[] = await this.#options.spool.pending({
        dueBeforeMs: latestMs === Infinity ? null : latestMs,
        after,
        limit: PAGE,
      });
      const told = page.filter(({ destination, nextAttemptAtMs }) =>
        nextAttemptAtMs <= dueBeforeMs[shardOf(destination)]
      );
      await this.#tell(told);
      const toldAtMs = this.#options.now();
      for (const { destination } of told) this.#toldAtMs[shardOf(destination)] = toldAtMs;
      count += told.length;
      if (page.length < PAGE) break;
      after = page[page.length - 1].id;
    }
    return count;
  }

  async #tell(pending: readonly PendingDelivery[]): Promise<void> {
    const { dispatch, now } = this.#options;
    const nowMs = now();
    const ready = [];
    const later = [];
    for (const { id, destination, nextAttemptAtMs } of pending) {
      const shard = shardOf(destination);
      if (nextAttemptAtMs <= nowMs) ready.push({ id, shard });
      else later.push({ id, shard, atMs: nextAttemptAtMs });
    }
    if (ready.length > 0) await dispatch.enqueue(ready);
    if (later.length > 0) await dispatch.retryAt(later);
  }

  /**
   * Pauses are counted from the end of a run, so that runs never overlap, and are at least `rest` times
   * as long as it took.
   */
  #every(context: string, pauseMs: number, run: () => Promise<void>, rest = 0, tookMs = 0): void {
    const timer = setTimeout(async () => {
      this.#timers.delete(timer);
      const startedMs = performance.now();
      try {
        await run();
      } catch (error) {
        this.#options.onError(context, error);
      }
      const nextTookMs = performance.now() - startedMs;
      if (!this.#isDisposed) this.#every(context, pauseMs, run, rest, nextTookMs);
    }, Math.max(pauseMs, rest * tookMs));
    this.#timers.add(timer);
  }
}
