/** What every dispatcher promises, tested through two clients of one store. */
import assert from "node:assert/strict";
import { type DeliveryId } from "../mail/queue_id.ts";
import { type Dispatch, type DispatchEntry, IDS_PER_ENTRY, SHARDS } from "./dispatch.ts";
import { StoreUnavailableError } from "./errors.ts";

/** An empty store of its own for each test. */
export interface DispatchStore extends AsyncDisposable {
  /** Another client of the store; the test disposes it. */
  open(): Dispatch;
  /** Resolves once so many reads wait in the store. */
  waitingReads(count: number): Promise<void>;
}

export interface DispatchSuite {
  /** What the tests' names start with. */
  readonly name: string;
  readonly openStore: () => Promise<DispatchStore>;
  readonly ignore?: boolean;
  /** The store has one client, which lives as long as it does. */
  readonly oneClient?: boolean;
}

export const ALL_SHARDS: readonly number[] = Array.from({ length: SHARDS }, (_, shard) => shard);

/** Distinct delivery ids `first`, `first + 1`, … */
export function deliveryIds(count: number, first = 0): DeliveryId[] {
  return Array.from(
    { length: count },
    (_, i) => `0${String(first + i).padStart(12, "0")}.${(first + i) % 3}` as DeliveryId,
  );
}

export function idsOf(entries: readonly DispatchEntry[]): DeliveryId[] {
  return entries.flatMap((entry) => [...entry.ids]);
}

function inShard(shard: number, ids: readonly DeliveryId[]) {
  return ids.map((id) => ({ id, shard }));
}

function reading(consumer: string, options: { maxEntries?: number; waitMs?: number } = {}) {
  return { consumer, maxEntries: options.maxEntries ?? 1_000, waitMs: options.waitMs ?? 0 };
}

/** Asks again until the answer pleases, for at most twenty seconds: threads start slowly on a busy machine. */
export async function eventually<T>(
  ask: () => Promise<T>,
  pleases: (answer: T) => boolean,
): Promise<T> {
  const untilMs = performance.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (pleases(answer)) return answer;
    assert.ok(performance.now() < untilMs, `still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Registers the tests every dispatcher has to pass. */
export function testDispatch(suite: DispatchSuite): void {
  const test = (
    name: string,
    run: (clients: { a: Dispatch; b: Dispatch; store: DispatchStore }) => Promise<void>,
  ) =>
    Deno.test(`${suite.name}: ${name}`, { ignore: suite.ignore ?? false }, async () => {
      await using store = await suite.openStore();
      await using a = store.open();
      await using b = suite.oneClient ? a : store.open();
      await run({ a, b, store });
    });

  test("deliveries of a shard come in the order they were made ready", async ({ a, b }) => {
    const ids = deliveryIds(300);
    await a.enqueue(inShard(3, ids.slice(0, 100)));
    await a.enqueue(inShard(3, ids.slice(100, 101)));
    await a.enqueue(inShard(3, ids.slice(101)));
    const first = await b.read([3], reading("bob", { maxEntries: 2 }));
    const rest = await b.read([3], reading("bob"));
    assert.deepEqual(idsOf([...first, ...rest]), ids);
    assert.equal(first.length, 2);
  });

  test("an entry holds as many ids of its shard as fit", async ({ a }) => {
    const three = deliveryIds(2 * IDS_PER_ENTRY + 2);
    const four = deliveryIds(5, 1_000);
    const mixed = inShard(3, three);
    mixed.splice(1, 0, ...inShard(4, four.slice(0, 2)));
    await a.enqueue([...mixed, ...inShard(4, four.slice(2))]);
    const entries = await a.read([3, 4], reading("ann"));
    const sizes = (shard: number) =>
      entries.filter((entry) => entry.shard === shard).map((entry) => entry.ids.length);
    assert.deepEqual(sizes(3), [IDS_PER_ENTRY, IDS_PER_ENTRY, 2]);
    assert.deepEqual(sizes(4), [5]);
    assert.deepEqual(idsOf(entries.filter((entry) => entry.shard === 4)), four);
  });

  test("a read leaves other shards alone", async ({ a }) => {
    await a.enqueue([...inShard(1, deliveryIds(1)), ...inShard(2, deliveryIds(1, 1))]);
    assert.deepEqual(idsOf(await a.read([2, 5], reading("ann"))), deliveryIds(1, 1));
    assert.deepEqual(await a.read([2, 5], reading("ann")), []);
    assert.deepEqual(idsOf(await a.read(ALL_SHARDS, reading("ann"))), deliveryIds(1));
  });

  test("maxEntries holds for all shards together and none is starved", async ({ a }) => {
    const many = deliveryIds(1_000);
    for (const id of many.slice(0, 100)) await a.enqueue(inShard(0, [id]));
    for (const shard of [1, 2, 3]) await a.enqueue(inShard(shard, [many[100 + shard]]));
    const shards = [0, 1, 2, 3];
    const entries = await a.read(shards, reading("ann", { maxEntries: 8 }));
    assert.equal(entries.length, 8);
    assert.deepEqual([...new Set(entries.map((entry) => entry.shard))].sort(), shards);
    for (const shard of [1, 2, 3]) await a.enqueue(inShard(shard, [many[200 + shard]]));
    const seen = new Set<number>();
    for (let turn = 0; turn < shards.length; turn++) {
      const [entry, ...none] = await a.read(shards, reading("ann", { maxEntries: 1 }));
      assert.deepEqual(none, []);
      seen.add(entry.shard);
    }
    assert.deepEqual([...seen].sort(), shards);
  });

  test("each entry goes to one of two consumers", async ({ a, b }) => {
    const ids = deliveryIds(400);
    const consume = async (client: Dispatch, consumer: string) => {
      const seen: DeliveryId[] = [];
      for (;;) {
        const entries = await client.read(
          [1, 2],
          reading(consumer, { maxEntries: 3, waitMs: 300 }),
        );
        if (entries.length === 0) return seen;
        seen.push(...idsOf(entries));
      }
    };
    const both = Promise.all([consume(a, "ann"), consume(b, "bob")]);
    for (let i = 0; i < ids.length; i += 4) {
      await a.enqueue(ids.slice(i, i + 4).map((id, j) => ({ id, shard: 1 + (j % 2) })));
    }
    const [ann, bob] = await both;
    assert.ok(ann.length > 0 && bob.length > 0, `${ann.length} and ${bob.length}`);
    assert.deepEqual([...ann, ...bob].sort(), ids);
  });

  test("a read that finds nothing takes its time and no more", async ({ a }) => {
    const startMs = performance.now();
    assert.deepEqual(await a.read(ALL_SHARDS, reading("ann")), []);
    assert.ok(performance.now() - startMs < 1_000);
    const waitMs = 120;
    const waitStartMs = performance.now();
    assert.deepEqual(await a.read(ALL_SHARDS, reading("ann", { waitMs })), []);
    const tookMs = performance.now() - waitStartMs;
    assert.ok(tookMs >= waitMs - 2 && tookMs < waitMs + 1_000, `${tookMs} ms`);
  });

  test("a waiting read wakes when another client enqueues or promotes", async ({ a, b, store }) => {
    const wakes = [
      () => b.enqueue(inShard(7, deliveryIds(1))),
      async () => {
        await b.retryAt([{ id: deliveryIds(1)[0], shard: 9, atMs: 5 }]);
        await b.promote(5, 10);
      },
    ];
    for (const wake of wakes) {
      const read = a.read(ALL_SHARDS, reading("ann", { waitMs: 20_000 }));
      await store.waitingReads(1);
      const startMs = performance.now();
      await wake();
      assert.deepEqual(idsOf(await read), deliveryIds(1));
      assert.ok(performance.now() - startMs < 1_000);
    }
  });

  test("several reads of one client wait side by side", async ({ a, b, store }) => {
    const reads = [1, 2, 3].map((shard) => a.read([shard], reading("ann", { waitMs: 20_000 })));
    await store.waitingReads(3);
    await b.enqueue([3, 2, 1].flatMap((shard) => inShard(shard, deliveryIds(1, shard))));
    const ids = (await Promise.all(reads)).map((entries) => idsOf(entries));
    assert.deepEqual(ids, [1, 2, 3].map((shard) => deliveryIds(1, shard)));
  });

  test("acknowledged entries are forgotten, however often", async ({ a, b }) => {
    await a.enqueue([...inShard(1, deliveryIds(100)), ...inShard(2, deliveryIds(10, 100))]);
    const entries = await a.read([1, 2], reading("ann"));
    await a.acknowledge([]);
    await a.acknowledge(entries.slice(0, 1));
    await Promise.all([a.acknowledge(entries), b.acknowledge(entries), a.acknowledge(entries)]);
    const { ready, pending } = await a.depth();
    assert.deepEqual([...new Set([...ready, ...pending])], [0]);
    const again = { consumer: "bob", minIdleMs: 0, maxEntries: 100 };
    assert.deepEqual(await b.reclaim(ALL_SHARDS, again), []);
    assert.deepEqual(await b.read(ALL_SHARDS, reading("bob")), []);
  });

  test("the last word on a retry counts", async ({ a }) => {
    const [one, two, three] = deliveryIds(3);
    await a.retryAt([{ id: one, shard: 1, atMs: 100 }, { id: two, shard: 1, atMs: 100 }]);
    await a.retryAt([{ id: one, shard: 1, atMs: 300 }]);
    await a.retryAt([{ id: three, shard: 1, atMs: 900 }, { id: three, shard: 1, atMs: 200 }]);
    assert.equal((await a.depth()).retry, 3);
    const promoted = async (nowMs: number) => {
      const count = await a.promote(nowMs, 100);
      const ids = idsOf(await a.read([1], reading("ann")));
      assert.equal(count, ids.length);
      return ids;
    };
    assert.deepEqual(await promoted(100), [two]);
    assert.deepEqual(await promoted(200), [three]);
    assert.deepEqual(await promoted(299), []);
    assert.deepEqual(await promoted(300), [one]);
    assert.deepEqual(await promoted(5_000), []);
  });

  test("promote moves what is due now, earliest first, up to its limit", async ({ a }) => {
    const nowMs = 1_700_000_000_000;
    const ids = deliveryIds(200);
    assert.equal(await a.promote(nowMs, 100), 0);
    await a.retryAt([]);
    await a.retryAt(ids.map((id, i) => ({ id, shard: 5, atMs: nowMs + 100 - i })));
    assert.equal(await a.promote(nowMs - 100, 100), 0);
    assert.equal(await a.promote(nowMs - 99, 100), 1);
    assert.equal(await a.promote(nowMs, 30), 30);
    assert.equal(await a.promote(nowMs, 100), 69);
    assert.equal(await a.promote(nowMs, 100), 0);
    const entries = await a.read([5], reading("ann"));
    assert.deepEqual(idsOf(entries), ids.slice(100).reverse());
    const sizes = entries.map((entry) => entry.ids.length);
    assert.deepEqual(sizes, [1, 30, IDS_PER_ENTRY, 69 - IDS_PER_ENTRY]);
    assert.equal((await a.depth()).retry, 100);
  });

  test("two clients that promote at once move each delivery once", async ({ a, b }) => {
    const ids = deliveryIds(1_000);
    await a.retryAt(ids.map((id, i) => ({ id, shard: i % SHARDS, atMs: i })));
    const counts = await Promise.all(
      Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? a : b).promote(1_000, 150)),
    );
    assert.equal(counts.reduce((sum, count) => sum + count), 1_000);
    assert.deepEqual(idsOf(await a.read(ALL_SHARDS, reading("ann"))).sort(), ids);
  });

  test("twenty thousand deliveries go through", async ({ a, b }) => {
    const ids = deliveryIds(40_000);
    await a.enqueue(ids.slice(0, 20_000).map((id, i) => ({ id, shard: i % SHARDS })));
    await a.retryAt(ids.slice(20_000).map((id, i) => ({ id, shard: i % SHARDS, atMs: i })));
    for (let moved = 0; moved < 20_000; moved += 1_000) {
      assert.equal(await b.promote(20_000, 1_000), 1_000);
    }
    const seen: DeliveryId[] = [];
    for (;;) {
      const entries = await b.read(ALL_SHARDS, reading("bob", { maxEntries: 40 }));
      if (entries.length === 0) break;
      assert.ok(entries.length <= 40);
      seen.push(...idsOf(entries));
      await b.acknowledge(entries);
    }
    assert.deepEqual(seen.sort(), ids);
    const { ready, pending, retry } = await a.depth();
    assert.deepEqual([...new Set([...ready, ...pending, retry])], [0]);
  });

  test("reclaim takes over entries idle for long enough, once", async ({ a, b }) => {
    await a.enqueue([...inShard(1, deliveryIds(200)), ...inShard(2, deliveryIds(10, 200))]);
    const readAtMs = performance.now();
    const entries = await a.read([1, 2], reading("ann"));
    const long = { consumer: "bob", minIdleMs: 60_000, maxEntries: 100 };
    assert.deepEqual(await b.reclaim([1, 2], long), []);
    const short = { consumer: "bob", minIdleMs: 100, maxEntries: 3 };
    const first = await eventually(() => b.reclaim([1, 2], short), (found) => found.length > 0);
    assert.ok(performance.now() - readAtMs >= 98);
    const rest = await b.reclaim([1, 2], { ...short, maxEntries: 100 });
    assert.equal(first.length, 3);
    const byId = (x: DispatchEntry, y: DispatchEntry) => x.entryId < y.entryId ? -1 : 1;
    assert.deepEqual([...first, ...rest].sort(byId), [...entries].sort(byId));
    assert.deepEqual(await b.reclaim([1, 2], long), []);
    assert.deepEqual(await b.reclaim([3], { ...short, minIdleMs: 0 }), []);
  });

  test("entries taken over may still be acknowledged by who read them", async ({ a, b }) => {
    await a.enqueue(inShard(1, deliveryIds(10)));
    const entries = await a.read([1], reading("ann"));
    const options = { consumer: "bob", minIdleMs: 0, maxEntries: 10 };
    assert.deepEqual(await b.reclaim([1], options), entries);
    await a.acknowledge(entries);
    assert.deepEqual(await b.reclaim([1], options), []);
    await b.acknowledge(entries);
    assert.equal((await b.depth()).pending[1], 0);
  });

  test("depth tells ready, pending and retrying apart", async ({ a, b }) => {
    await a.enqueue([...inShard(1, deliveryIds(65)), ...inShard(15, deliveryIds(1, 65))]);
    await a.retryAt([{ id: deliveryIds(1, 99)[0], shard: 0, atMs: 1 }]);
    await a.read([1], reading("ann", { maxEntries: 1 }));
    const zeros = ALL_SHARDS.map(() => 0);
    const { readySinceMs: _, ...counts } = await b.depth();
    assert.deepEqual(counts, {
      ready: zeros.with(1, 1).with(15, 1),
      pending: zeros.with(1, 1),
      retry: 1,
    });
  });

  test("depth tells since when the oldest unread entry of a shard waits", async ({ a }) => {
    const nones = ALL_SHARDS.map(() => null);
    assert.deepEqual((await a.depth()).readySinceMs, nones);
    const sinceMs = async (shard: number) => {
      const { readySinceMs } = await a.depth();
      assert.deepEqual(readySinceMs.with(shard, null), nones);
      return readySinceMs[shard];
    };
    const beforeMs = Date.now();
    await a.enqueue(inShard(3, deliveryIds(1)));
    const first = await sinceMs(3);
    assert.ok(first !== null && first >= beforeMs && first <= Date.now(), `${first}`);
    await eventually(() => Promise.resolve(Date.now()), (nowMs) => nowMs > first);
    await a.enqueue(inShard(3, deliveryIds(1, 1)));
    assert.equal(await sinceMs(3), first);
    const entries = await a.read([3], reading("ann", { maxEntries: 1 }));
    const second = await sinceMs(3);
    assert.ok(second !== null && second > first);
    await a.acknowledge(entries);
    assert.equal(await sinceMs(3), second);
    await a.read([3], reading("ann"));
    assert.deepEqual((await a.depth()).readySinceMs, nones);
  });

  test("a new dispatcher needs a rebuild until it is marked built", async ({ a, b }) => {
    assert.equal(await a.needsRebuild(), true);
    assert.equal(await b.needsRebuild(), true);
    await a.markBuilt();
    assert.equal(await a.needsRebuild(), false);
    assert.equal(await b.needsRebuild(), false);
  });

  test("a read of nothing is refused", async ({ a }) => {
    await assert.rejects(a.read([], reading("ann", { waitMs: 1_000 })), RangeError);
    await assert.rejects(a.read([1], reading("ann", { maxEntries: 0 })), RangeError);
    await assert.rejects(
      a.reclaim([], { consumer: "ann", minIdleMs: 0, maxEntries: 1 }),
      RangeError,
    );
  });

  if (suite.oneClient) return;
  test("disposing ends a waiting read at once and harms no one else", async ({ a, b, store }) => {
    const closing = store.open();
    const read = closing.read(ALL_SHARDS, reading("cid", { waitMs: 20_000 }));
    const other = a.read(ALL_SHARDS, reading("ann", { waitMs: 20_000 }));
    await store.waitingReads(2);
    const startMs = performance.now();
    await closing[Symbol.asyncDispose]();
    assert.deepEqual(await read, []);
    assert.ok(performance.now() - startMs < 500);
    await assert.rejects(closing.read([1], reading("cid")), StoreUnavailableError);
    await assert.rejects(closing.enqueue(inShard(1, deliveryIds(1))), StoreUnavailableError);
    await closing[Symbol.asyncDispose]();
    await store.waitingReads(1);
    await b.enqueue(inShard(1, deliveryIds(1)));
    assert.deepEqual(idsOf(await other), deliveryIds(1));
  });
}
