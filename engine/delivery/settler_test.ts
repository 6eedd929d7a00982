import assert from "node:assert/strict";
import { type DeliveryId, deliveryId, queueIdGenerator } from "../mail/queue_id.ts";
import { StoreUnavailableError } from "../store/errors.ts";
import { memoryDispatch } from "../store/memory_dispatch.ts";
import { attempt, idsOf, message } from "../store/spool_conformance.ts";
import type { Settlement, Spool } from "../store/spool.ts";
import { Settler, type TrackedEntry } from "./settler.ts";

const newQueueId = queueIdGenerator({ generator: 3, now: Date.now });
const SHARDS = [4];

/** A settler over a store that does as told, and a dispatcher with one entry read. */
async function bench(
  settle: (settlements: readonly Settlement[]) => Promise<void> = () => Promise.resolve(),
) {
  const dispatch = memoryDispatch({ now: () => 0 });
  const ids = Array.from({ length: 3 }, () => deliveryId(newQueueId(), 0));
  await dispatch.enqueue(ids.map((id) => ({ id, shard: SHARDS[0] })));
  const [entry] = await dispatch.read(SHARDS, { consumer: "c", maxEntries: 1, waitMs: 0 });
  const calls: { ids: DeliveryId[]; reports: number }[] = [];
  const errors: string[] = [];
  const spool = {
    settle: (settlements: readonly Settlement[], { reports }: { reports: readonly unknown[] }) => {
      calls.push({ ids: settlements.map(({ id }) => id), reports: reports.length });
      return settle(settlements);
    },
  } as Partial<Spool> as Spool;
  const settler = new Settler({
    spool,
    dispatch,
    owner: "w",
    onError: (error) => errors.push(String(error)),
  });
  const tracked: TrackedEntry = { entry, open: ids.length };
  const pending = async () => (await dispatch.depth()).pending[SHARDS[0]];
  return { dispatch, settler, ids, tracked, calls, errors, pending };
}

function delivered(id: DeliveryId): Settlement {
  return { id, outcome: "delivered", attempt: attempt() };
}

Deno.test("Settler: outcomes at the same time are one write; an entry is done with its last delivery", async () => {
  const { settler, ids, tracked, calls, pending } = await bench();
  const settle = (id: DeliveryId) =>
    settler.settle({ settlements: [delivered(id)], reports: [], entries: [tracked] });
  await Promise.all(ids.slice(0, 2).map(settle));
  assert.deepEqual(calls, [{ ids: ids.slice(0, 2), reports: 0 }]);
  assert.equal(await pending(), 1);
  await settle(ids[2]);
  assert.equal(await pending(), 0);
});

Deno.test("Settler: tells the dispatcher what comes again, and of reports", async () => {
  const { settler, ids, tracked, dispatch, pending } = await bench();
  const report = message({ reversePath: "", to: 2 });
  await settler.settle({
    settlements: [
      { id: ids[0], outcome: "deferred", attempt: attempt(), nextAttemptAtMs: 1_000 },
      { id: ids[1], outcome: "released", nextAttemptAtMs: 2_000 },
      { id: ids[2], outcome: "failed", attempt: attempt() },
    ],
    reports: [report],
    entries: [tracked, tracked, tracked],
  });
  const all = Array.from({ length: 16 }, (_, shard) => shard);
  const read = async () =>
    (await dispatch.read(all, { consumer: "c", maxEntries: 9, waitMs: 0 })).flatMap((entry) => [
      ...entry.ids,
    ]);
  assert.equal(await pending(), 0);
  assert.deepEqual(await read(), idsOf(report));
  for (const [atMs, id] of [[1_000, ids[0]], [2_000, ids[1]]] as const) {
    assert.equal(await dispatch.promote(atMs - 1, 9), 0);
    assert.equal(await dispatch.promote(atMs, 9), 1);
    assert.deepEqual(await read(), [id]);
  }
  await dispatch[Symbol.asyncDispose]();
});

Deno.test("Settler: asks a store that is away until it answers", async () => {
  let losses = 2;
  const { settler, ids, tracked, calls, errors, pending } = await bench(() =>
    losses-- > 0 ? Promise.reject(new StoreUnavailableError("away")) : Promise.resolve()
  );
  const settlements = ids.map(delivered);
  await settler.settle({ settlements, reports: [], entries: ids.map(() => tracked) });
  assert.equal(calls.length, 3);
  assert.equal(errors.length, 2);
  assert.equal(await pending(), 0);
});

Deno.test("Settler: what the store refuses for good is refused alone", async () => {
  const refused: DeliveryId[] = [];
  const { settler, ids, tracked, pending, errors } = await bench((settlements) =>
    settlements.some(({ id }) => refused.includes(id))
      ? Promise.reject(new Error("cannot be"))
      : Promise.resolve()
  );
  refused.push(ids[1]);
  const settle = (id: DeliveryId) =>
    settler.settle({ settlements: [delivered(id)], reports: [], entries: [tracked] });
  await Promise.allSettled(ids.map(settle));
  assert.equal(tracked.open, 1);
  assert.equal(await pending(), 1);
  assert.ok(errors.length > 0);
  await assert.rejects(settle(ids[1]), /cannot be/);
});

Deno.test("Settler: a dispatcher that is away costs nobody the outcome", async () => {
  const { settler, ids, tracked, dispatch, errors } = await bench();
  await dispatch[Symbol.asyncDispose]();
  const settlements = ids.map(delivered);
  await settler.settle({ settlements, reports: [], entries: ids.map(() => tracked) });
  await Promise.resolve();
  assert.equal(errors.length, 1);
});
