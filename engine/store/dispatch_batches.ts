/** How deliveries are packed into entries and shards take turns: alike in every dispatcher. */
import type { DeliveryId } from "../mail/queue_id.ts";
import { IDS_PER_ENTRY, type ReadyDelivery } from "./dispatch.ts";

/** What one stream entry will carry. */
export interface EntryBatch {
  readonly shard: number;
  readonly ids: readonly DeliveryId[];
}

/** Packs deliveries into as few entries as order within each shard allows. */
export function packEntries(ready: readonly ReadyDelivery[]): readonly EntryBatch[] {
  const batches: { shard: number; ids: DeliveryId[] }[] = [];
  const open = new Map<number, DeliveryId[]>();
  for (const { id, shard } of ready) {
    let ids = open.get(shard);
    if (ids === undefined || ids.length === IDS_PER_ENTRY) {
      ids = [];
      open.set(shard, ids);
      batches.push({ shard, ids });
    }
    ids.push(id);
  }
  return batches;
}

/** The shards with another one in front each turn, so that none is always served first. */
export function inTurn(shards: readonly number[], turn: number): readonly number[] {
  const first = turn % shards.length;
  return first === 0 ? shards : [...shards.slice(first), ...shards.slice(0, first)];
}

/** @throws {RangeError} a read of no shard or no entry, which would never find anything. */
export function checkRead(shards: readonly number[], maxEntries: number): void {
  if (shards.length === 0) throw new RangeError("a read needs at least one shard");
  if (!(maxEntries >= 1)) throw new RangeError("a read needs maxEntries of at least 1");
}
