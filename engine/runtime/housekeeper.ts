/**
 * Keeps dispatcher and spool in step: tells the dispatcher of deliveries it does not know (it lost its
 * memory, or was away when they were committed), ends leases of the dead, frees bodies nobody needs, gives up what was held
 * for too long.
 */
import type { DeliveryId } from "../mail/queue_id.ts";
import { type Dispatch, shardOf, SHARDS } from "../store/dispatch.ts";
import type { DmarcReports } from "../store/dmarc_reports.ts";
import type { Quarantine } from "../store/quarantine.ts";
import type { PendingDelivery, Spool } from "../store/spool.ts";

export interface HousekeeperOptions {
  readonly spool: Spool;
  readonly dispatch: Dispatch;
  /** Without it what is held stays so. */
  readonly quarantine?: Pick<Quarantine, "expire">;
  /** Without it they are kept for ever. */
  readonly dmarcReports?: Pick<DmarcReports, "forget">;
  /** How long finished messages are remembered. */
  readonly historyMs: number;
  readonly now: () => number;
  readonly onError: (context: string, error: unknown) => void;
  /** How many held messages were deleted, since nobody decided about them in time. */
  readonly onExpired?: (count: number) => void;
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
const EXPIRE_MS = 60_000;
/** Last year's reports can still be compared with this year's. */
const DMARC_REPORTS_MS = 400 * 24 * 3600_000;
const FORGET_REPORTS_MS = 3600_000;
/** Messages are forgotten and given up some at a time, with room for mail in between. */
const AGAIN_MS = 100;
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

  /** Gives up what was held until now and nobody decided about. */
  async expire(): Promise<void> {
    const { quarantine, now, onExpired } = this.#options;
    if (quarantine === undefined) return;
    await this.#untilNone(async () => {
      const count = await quarantine.expire(now());
      if (count > 0) onExpired?.(count);
      return count;
    });
  }

  /** Forgets reports of others that are too old to be of use. */
  async forgetReports(): Promise<void> {
    const { dmarcReports, now } = this.#options;
    if (dmarcReports === undefined) return;
    await this.#untilNone(() => dmarcReports.forget(now() - DMARC_REPORTS_MS));
  }

  /** Looks after the stores until disposed of. */
  start(): void {
    const { spool, historyMs, now } = this.#options;
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
    this.#every("forget", FORGET_MS, () => this.#untilNone(() => spool.forget(now() - historyMs)));
    this.#every("expire", EXPIRE_MS, () => this.expire());
    this.#every("forget reports", FORGET_REPORTS_MS, () => this.forgetReports());
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #untilNone(run: () => Promise<number>): Promise<void> {
    while (await run() > 0 && !this.#isDisposed) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
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
