import assert from "node:assert/strict";
import { type DeliveryId } from "../mail/queue_id.ts";
import type { DispatchEntry } from "./dispatch.ts";
import { DispatchSurplus } from "./dispatch_surplus.ts";

function entry(shard: number, entryId: string): DispatchEntry {
  return { shard, entryId, ids: [`0000000000000.${entryId}` as DeliveryId] };
}

Deno.test("DispatchSurplus: what is too much comes with the consumer's next reads, in order", () => {
  const surplus = new DispatchSurplus();
  const [a, b, c, d] = [entry(0, "1"), entry(1, "2"), entry(2, "3"), entry(1, "4")];
  const ann = { consumer: "ann", maxEntries: 1 };
  assert.deepEqual(surplus.keep([a], ann), [a]);
  assert.deepEqual(surplus.take([0, 1, 2], ann), []);
  assert.deepEqual(surplus.keep([a, b, c, d], ann), [a]);
  assert.deepEqual(surplus.take([0, 1, 2], { consumer: "bob", maxEntries: 9 }), []);
  assert.deepEqual(surplus.take([0], ann), []);
  assert.deepEqual(surplus.take([1], ann), [b]);
  assert.deepEqual(surplus.take([0, 1, 2], { consumer: "ann", maxEntries: 9 }), [c, d]);
  assert.deepEqual(surplus.take([0, 1, 2], ann), []);
});
