/**
 * The dispatcher: which deliveries are ready, and when the others will be. It carries ids only and may
 * forget everything; the spool is the truth, and a rebuild from it is always allowed. Entries may
 * repeat a delivery, so whoever reads one claims it in the spool first.
 */
import type { DeliveryId } from "../mail/queue_id.ts";

/** Streams the ready deliveries are spread over, by destination. */
export const SHARDS = 16;
/** Ids one stream entry carries at the most. */
export const IDS_PER_ENTRY = 64;

/** The shard of a destination, the same on every node: FNV-1a modulo `SHARDS`. */
export function shardOf(destination: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < destination.length; i++) {
    hash = Math.imul(hash ^ destination.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0) % SHARDS;
}

export interface ReadyDelivery {
  readonly id: DeliveryId;
  readonly shard: number;
}

export interface RetryDelivery extends ReadyDelivery {
  readonly atMs: number;
}

/** Deliveries handed to one consumer, until acknowledged. */
export interface DispatchEntry {
  readonly shard: number;
  readonly entryId: string;
  readonly ids: readonly DeliveryId[];
}

export interface DispatchDepth {
  /** Deliveries' entries not yet read by any consumer, by shard. */
  readonly ready: readonly number[];
  /** When the oldest of these entries was added, by shard (Unix ms); `null` where there is none. */
  readonly readySinceMs: readonly (number | null)[];
  /** Entries read and not acknowledged, by shard. */
  readonly pending: readonly number[];
  /** Deliveries waiting for their time. */
  readonly retry: number;
}

export interface Dispatch extends AsyncDisposable {
  /** Makes deliveries ready, in order, packing up to `IDS_PER_ENTRY` ids of a shard in an entry. */
  enqueue(ready: readonly ReadyDelivery[]): Promise<void>;
  /**
   * The next entries of these shards for this consumer, waiting up to `waitMs` while there are none.
   * Each entry goes to one consumer of the group only.
   */
  read(
    shards: readonly number[],
    options: { consumer: string; maxEntries: number; waitMs: number },
  ): Promise<readonly DispatchEntry[]>;
  /** Forgets entries whose deliveries are settled. Idempotent. */
  acknowledge(entries: readonly DispatchEntry[]): Promise<void>;
  /** Sets when deliveries become ready; the last word on an id counts. */
  retryAt(retries: readonly RetryDelivery[]): Promise<void>;
  /** Moves what is due from the retry set to the streams, atomically; answers how many. */
  promote(nowMs: number, limit: number): Promise<number>;
  /** Takes over entries that other consumers read `minIdleMs` ago or earlier and never acknowledged. */
  reclaim(
    shards: readonly number[],
    options: { consumer: string; minIdleMs: number; maxEntries: number },
  ): Promise<readonly DispatchEntry[]>;
  depth(): Promise<DispatchDepth>;
  /**
   * True until `markBuilt` was called since the dispatcher last lost its memory: whoever sees it
   * rebuilds the dispatcher from the spool.
   */
  needsRebuild(): Promise<boolean>;
  markBuilt(): Promise<void>;
}
