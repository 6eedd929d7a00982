/**
 * Records how attempts ended, in batches, and tells the dispatcher: what comes again and when, which
 * reports were queued, which entries are done. A store that is away is asked again until it answers,
 * for an outcome forgotten is a message sent twice.
 */
import { deliveryId } from "../mail/queue_id.ts";
import { type Dispatch, type DispatchEntry, shardOf } from "../store/dispatch.ts";
import { StoreUnavailableError } from "../store/errors.ts";
import { GroupCommit } from "../store/group_commit.ts";
import type { AcceptedMessage, Settlement, Spool } from "../store/spool.ts";

export interface SettlerOptions {
  readonly spool: Spool;
  readonly dispatch: Dispatch;
  readonly owner: string;
  readonly onError: (error: unknown) => void;
}

/** The outcome of a transmission for its deliveries. */
export interface Settled {
  readonly settlements: readonly Settlement[];
  readonly reports: readonly AcceptedMessage[];
  /** The entry each settlement's delivery came in. */
  readonly entries: readonly TrackedEntry[];
}

/** An entry and how many of its deliveries are under way. */
export interface TrackedEntry {
  readonly entry: DispatchEntry;
  open: number;
}

const MAX_SETTLED = 1000;
const MAX_OCTETS = 4 * 1024 * 1024;
/** About what a settlement takes. */
const SETTLEMENT_OCTETS = 512;
/** Outcomes wait this long for company, when others were recorded just before. */
const PACE_MS = 5;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

export class Settler {
  readonly #options: SettlerOptions;
  readonly #batches: GroupCommit<Settled>;

  constructor(options: SettlerOptions) {
    this.#options = options;
    this.#batches = new GroupCommit({
      write: (settled) => this.#write(settled),
      sizeOf: ({ settlements, reports }) =>
        settlements.length * SETTLEMENT_OCTETS +
        reports.reduce((sum, { octets }) => sum + octets.length, 0),
      maxItems: MAX_SETTLED,
      maxOctets: MAX_OCTETS,
      maxWrites: 1,
      paceMs: PACE_MS,
    });
  }

  /** Resolves once recorded, however long the store is away. Rejects when the store refuses it for good. */
  settle(settled: Settled): Promise<void> {
    return this.#batches.commit(settled);
  }

  async #write(batch: readonly Settled[]): Promise<void> {
    const { spool, owner, onError } = this.#options;
    const settlements = batch.flatMap((settled) => settled.settlements);
    const reports = batch.flatMap((settled) => settled.reports);
    for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      try {
        await spool.settle(settlements, { owner, reports });
        break;
      } catch (error) {
        onError(error);
        if (!(error instanceof StoreUnavailableError)) {
          if (batch.length === 1) throw error;
          // One of them is at fault: the others shall not suffer for it.
          const written = await Promise.allSettled(batch.map((one) => this.#write([one])));
          if (written.every(({ status }) => status === "rejected")) throw error;
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
    // The spool knows; whatever the dispatcher misses, the sweeper finds.
    this.#tellDispatch(batch, reports).catch(onError);
  }

  async #tellDispatch(
    batch: readonly Settled[],
    reports: readonly AcceptedMessage[],
  ): Promise<void> {
    const { dispatch } = this.#options;
    const retries = batch.flatMap(({ settlements, entries }) =>
      settlements.flatMap((settlement, i) =>
        settlement.outcome === "deferred" || settlement.outcome === "released"
          ? [{
            id: settlement.id,
            shard: entries[i].entry.shard,
            atMs: settlement.nextAttemptAtMs,
          }]
          : []
      )
    );
    const ready = reports.flatMap(({ id, recipients }) =>
      recipients.map(({ destination }, n) => ({
        id: deliveryId(id, n),
        shard: shardOf(destination),
      }))
    );
    const done: DispatchEntry[] = [];
    for (const { entries } of batch) {
      for (const tracked of entries) if (--tracked.open === 0) done.push(tracked.entry);
    }
    if (retries.length > 0) await dispatch.retryAt(retries);
    if (ready.length > 0) await dispatch.enqueue(ready);
    if (done.length > 0) await dispatch.acknowledge(done);
  }
}
