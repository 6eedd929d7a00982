/**
 * Keeps dispatcher and spool in step: tells the dispatcher of deliveries it does not know (it lost its
 * memory, or was away when they were committed), ends leases of the dead, frees bodies nobody needs.
 */
import type { DeliveryId } from "../mail/queue_id.ts";
import { type Dispatch, shardOf } from "../store/dispatch.ts";
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
/** How long a delivery may be overdue, with nothing waiting ahead of it, before it counts as forgotten. */
const OVERDUE_MS = 10_000;
const PURGE_MS = 60_000;
const FORGET_MS = 60_000;
/** Messages are forgotten some thousand at a time, with room for mail in between. */
const FORGET_AGAIN_MS = 100;
const REBUILD_CHECK_MS = 1_000;

export class Housekeeper implements Disposable {
  readonly #options: HousekeeperOptions;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #isDisposed = false;

  constructor(options: HousekeeperOptions) {
    this.#options = options;
  }

  /** Ends the leases of a worker or node that died, and sets its deliveries on their way again. */
  async abandon(ownerPrefix: string): Promise<void> {
    const { spool, onRequeued } = this.#options;
    const freed = await spool.abandon(ownerPrefix);
    await this.#tell(freed);
    if (freed.length > 0) onRequeued("abandoned", freed.length);
  }

  /** Tells the dispatcher of every unfinished delivery. */
  async rebuild(): Promise<void> {
    const { dispatch, onRequeued } = this.#options;
    const count = await this.#tellAll(null);
    await dispatch.markBuilt();
    if (count > 0) onRequeued("rebuild", count);
  }

  /** Looks after the stores until disposed of. */
  start(): void {
    const { spool, now } = this.#options;
    this.#every("rebuild", REBUILD_CHECK_MS, async () => {
      if (await this.#options.dispatch.needsRebuild()) await this.rebuild();
    });
    this.#every("sweep", SWEEP_MS, () => this.#sweep());
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

  async #sweep(): Promise<void> {
    const { dispatch, now, onRequeued } = this.#options;
    const { ready } = await dispatch.depth();
    // What waits in the streams is overdue too, but not forgotten.
    if (ready.some((entries) => entries > 0)) return;
    const count = await this.#tellAll(now() - OVERDUE_MS);
    if (count > 0) onRequeued("overdue", count);
  }

  async #tellAll(dueBeforeMs: number | null): Promise<number> {
    let after: DeliveryId | null = null;
    let count = 0;
    while (!this.#isDisposed) {
      const page: readonly PendingDelivery[] = await this.#options.spool.pending({
        dueBeforeMs,
        after,
        limit: PAGE,
      });
      await this.#tell(page);
      count += page.length;
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

  /** Pauses are counted from the end of a run, so that runs never overlap. */
  #every(context: string, pauseMs: number, run: () => Promise<void>): void {
    const timer = setTimeout(async () => {
      this.#timers.delete(timer);
      try {
        await run();
      } catch (error) {
        this.#options.onError(context, error);
      }
      if (!this.#isDisposed) this.#every(context, pauseMs, run);
    }, pauseMs);
    this.#timers.add(timer);
  }
}
