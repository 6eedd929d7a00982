import assert from "node:assert/strict";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { hasRedis, openRedis, type RedisServer } from "../../tests/fixtures/redis.ts";
import type { Dispatch, DispatchEntry } from "./dispatch.ts";
import {
  ALL_SHARDS,
  deliveryIds,
  type DispatchStore,
  eventually,
  idsOf,
  testDispatch,
} from "./dispatch_conformance.ts";
import { StoreUnavailableError } from "./errors.ts";
import reclaimLua from "./lua/reclaim.lua" with { type: "text" };
import { memoryDispatch } from "./memory_dispatch.ts";
import { redisDispatch } from "./redis_dispatch.ts";

const ignore = !hasRedis;
if (ignore) console.warn("redis-server is not installed: the tests of redisDispatch are skipped");

interface RedisStore extends DispatchStore {
  readonly server: RedisServer;
  /** Speaks to the server past the dispatcher. */
  readonly redis: Redis;
  readonly errors: readonly Error[];
}

async function openStore(): Promise<RedisStore> {
  const { server, redis, [Symbol.asyncDispose]: dispose } = await openRedis();
  const errors: Error[] = [];
  return {
    server,
    redis,
    errors,
    open: () => redisDispatch({ url: server.url, onError: (error) => errors.push(error) }),
    async waitingReads(count) {
      const ask = () => redis.info("clients");
      await eventually(ask, (info) => info.includes(`\nblocked_clients:${count}\r`));
    },
    [Symbol.asyncDispose]: dispose,
  };
}

testDispatch({ name: "redisDispatch", openStore, ignore });

function test(name: string, run: (store: RedisStore, dispatch: Dispatch) => Promise<void>): void {
  Deno.test(`redisDispatch: ${name}`, { ignore }, async () => {
    await using store = await openStore();
    await using dispatch = store.open();
    await run(store, dispatch);
  });
}

const ready = (shard: number, first: number) => [{ id: deliveryIds(1, first)[0], shard }];
const waiting = { consumer: "ann", maxEntries: 10, waitMs: 20_000 };
const now = { ...waiting, waitMs: 0 };

test("after FLUSHALL it asks for a rebuild and goes on", async ({ redis }, dispatch) => {
  await dispatch.enqueue(ready(1, 1));
  const entries = await dispatch.read([1], now);
  await dispatch.markBuilt();
  await redis.flushall();
  assert.equal(await dispatch.needsRebuild(), true);
  await dispatch.acknowledge(entries);
  assert.deepEqual(await dispatch.reclaim([1], { ...now, minIdleMs: 0 }), []);
  assert.equal((await dispatch.depth()).pending[1], 0);
  await dispatch.enqueue(ready(1, 2));
  assert.deepEqual(idsOf(await dispatch.read([1], now)), deliveryIds(1, 2));
});

test("a read that waits through FLUSHALL still wakes", async (store, dispatch) => {
  const read = dispatch.read(ALL_SHARDS, waiting);
  await store.waitingReads(1);
  await store.redis.flushall();
  await dispatch.enqueue(ready(4, 1));
  assert.deepEqual(idsOf(await read), deliveryIds(1, 1));
});

test("a read that waits while its stream is deleted goes on waiting", async (store, dispatch) => {
  const read = dispatch.read([4], waiting);
  await store.waitingReads(1);
  await store.redis.del("smtp:queue:4");
  await eventually(() => store.redis.exists("smtp:queue:4"), (found) => found === 1);
  await store.waitingReads(1);
  await dispatch.enqueue(ready(4, 1));
  assert.deepEqual(idsOf(await read), deliveryIds(1, 1));
});

test("a killed and restarted server is found again", async (store, dispatch) => {
  await dispatch.enqueue(ready(1, 1));
  await dispatch.markBuilt();
  await dispatch.read([1], now);
  const cut = assert.rejects(dispatch.read([1], waiting), StoreUnavailableError);
  await store.waitingReads(1);
  await store.server.kill();
  await cut;
  const startMs = performance.now();
  await Promise.all([
    assert.rejects(dispatch.enqueue(ready(1, 2)), StoreUnavailableError),
    assert.rejects(dispatch.read([1], now), StoreUnavailableError),
    assert.rejects(dispatch.read([1], { ...now, waitMs: 100 }), StoreUnavailableError),
  ]);
  assert.ok(performance.now() - startMs < 2_000);
  await eventually(() => Promise.resolve(store.errors.length), (count) => count > 0);
  await store.server.start();
  const backMs = performance.now();
  await dispatch.enqueue(ready(1, 3));
  assert.ok(performance.now() - backMs < 1_000, `${performance.now() - backMs} ms`);
  assert.equal(await dispatch.needsRebuild(), true);
  assert.deepEqual(idsOf(await dispatch.read([1], waiting)), deliveryIds(1, 3));
  const next = dispatch.read([1], waiting);
  await store.waitingReads(1);
  await dispatch.enqueue(ready(1, 4));
  assert.deepEqual(idsOf(await next), deliveryIds(1, 4));
});

test("a server back with an old snapshot counts as one that forgot", async (store, dispatch) => {
  await dispatch.markBuilt();
  await store.redis.save();
  await dispatch.enqueue(ready(1, 1));
  await store.server.kill();
  await store.server.start();
  await eventually(() => store.redis.exists("smtp:queue:built"), (found) => found === 1);
  assert.equal(await dispatch.needsRebuild(), true);
  await dispatch.markBuilt();
  assert.equal(await dispatch.needsRebuild(), false);
});

test("a server that stopped answering fails calls in bounded time", async (store, dispatch) => {
  await dispatch.markBuilt();
  const idle = store.open();
  const read = idle.read([1], { ...waiting, waitMs: 300 });
  await store.waitingReads(1);
  const connections = async () => {
    const list = String(await store.redis.client("LIST"));
    return Array.from(list.matchAll(/^id=(\d+).* name=sluice /gm), ([, id]) => id);
  };
  const stale = await connections();
  assert.equal(stale.length, 3);
  store.server.signal("SIGSTOP");
  const startMs = performance.now();
  await Promise.all([
    assert.rejects(dispatch.needsRebuild(), StoreUnavailableError),
    assert.rejects(dispatch.enqueue(ready(1, 1)), StoreUnavailableError),
    assert.rejects(read, StoreUnavailableError),
  ]);
  assert.ok(performance.now() - startMs < 3_500, `${performance.now() - startMs} ms`);
  const disposeMs = performance.now();
  await idle[Symbol.asyncDispose]();
  assert.ok(performance.now() - disposeMs < 500);
  store.server.signal("SIGCONT");
  assert.equal(await dispatch.needsRebuild(), false);
  // What a stale connection still had to answer must not be taken for a later call's answer.
  await eventually(connections, (ids) => ids.length > 0 && !ids.some((id) => stale.includes(id)));
});

test("without a server, opening and disposing are harmless", async (store, dispatch) => {
  await store.server.kill();
  const other = store.open();
  const call = assert.rejects(other.depth(), StoreUnavailableError);
  await other[Symbol.asyncDispose]();
  await call;
  await assert.rejects(dispatch.depth(), StoreUnavailableError);
});

test("a server that lost its scripts is sent them again", async ({ redis }, dispatch) => {
  await dispatch.enqueue(ready(1, 1));
  await redis.script("FLUSH");
  await dispatch.enqueue(ready(1, 2));
  assert.deepEqual(idsOf(await dispatch.read([1], now)), deliveryIds(2, 1));
});

test("promote drops what names no shard", async ({ redis }, dispatch) => {
  const [id] = deliveryIds(1);
  await redis.zadd("smtp:queue:retry", 1, "nonsense", 2, `99:${id}`, 3, `2:${id}`);
  assert.equal(await dispatch.promote(10, 10), 1);
  assert.deepEqual(idsOf(await dispatch.read(ALL_SHARDS, now)), [id]);
  assert.equal((await dispatch.depth()).retry, 0);
});

test("reclaim finds what is idle behind much that is not", async ({ redis }, dispatch) => {
  for (let first = 0; first < 60; first++) await dispatch.enqueue(ready(1, first));
  const entries = await dispatch.read([1], { ...now, maxEntries: 60 });
  const last = entries[59];
  await redis.xclaim("smtp:queue:1", "delivery", "ann", 0, last.entryId, "IDLE", 60_000);
  const options = { consumer: "bob", minIdleMs: 30_000, maxEntries: 1 };
  assert.deepEqual(await dispatch.reclaim([1], options), [last]);
});

test("reclaiming removes gone consumers, but none that holds entries", async (store, dispatch) => {
  const { redis } = store;
  for (const first of [1, 2]) await dispatch.enqueue(ready(1, first));
  await dispatch.read([1], { ...now, consumer: "holds", maxEntries: 1 });
  await dispatch.acknowledge(await dispatch.read([1], { ...now, consumer: "gone" }));
  const consumers = async () => {
    const found = await redis.xinfo("CONSUMERS", "smtp:queue:1", "delivery") as string[][];
    // From Redis 7.2 on, who finds nothing to reclaim is a consumer too.
    return found.map((fields) => fields[1]).filter((name) => name !== "ann").sort();
  };
  await dispatch.reclaim([1], { ...now, minIdleMs: 60_000 });
  assert.deepEqual(await consumers(), ["gone", "holds"]);
  await redis.eval(reclaimLua, 1, "smtp:queue:1", "delivery", "ann", 60_000, 10, -1);
  assert.deepEqual(await consumers(), ["holds"]);
});

test("acknowledged entries leave nothing behind in the server", async ({ redis }, dispatch) => {
  for (let first = 0; first < 2_000; first += 100) {
    await dispatch.enqueue(deliveryIds(100, first).map((id) => ({ id, shard: 1 })));
    await dispatch.acknowledge(await dispatch.read([1], now));
  }
  assert.equal(await redis.xlen("smtp:queue:1"), 0);
  assert.ok((await redis.memory("USAGE", "smtp:queue:1") ?? 0) < 2_000);
});

test("keys start as configured, `smtp:` if not", async ({ redis, server }, dispatch) => {
  const url = server.url;
  await using other = redisDispatch({ url, onError: () => {}, keyPrefix: "else:" });
  for (const each of [dispatch, other]) {
    await each.markBuilt();
    await each.retryAt([{ id: deliveryIds(1)[0], shard: 1, atMs: 1 }]);
  }
  await other.enqueue(ready(3, 1));
  assert.deepEqual(await dispatch.read(ALL_SHARDS.slice(3, 4), now), []);
  assert.deepEqual((await redis.keys("*")).sort(), [
    ...["else:queue:3", "else:queue:built", "else:queue:retry"],
    ...["smtp:queue:3", "smtp:queue:built", "smtp:queue:retry"],
  ]);
});

const shard = fc.integer({ min: 0, max: 3 });
const some = fc.array(fc.record({ shard, n: fc.nat(30), times: fc.constantFrom(1, 1, 70) }), {
  maxLength: 5,
});
const step = fc.oneof(
  fc.record({ enqueue: some }),
  fc.record({ retryAt: some, atMs: fc.nat(50) }),
  fc.record({ promote: fc.nat(50), limit: fc.integer({ min: 1, max: 90 }) }),
  fc.record({
    read: fc.uniqueArray(shard, { minLength: 1 }),
    maxEntries: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ reclaim: fc.uniqueArray(shard, { minLength: 1 }), maxEntries: fc.constant(3) }),
  fc.record({ acknowledge: fc.nat(3) }),
);

/** Does the same to a dispatcher and tells all it answered; entry ids may differ. */
async function replay(
  dispatch: Dispatch,
  steps: (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
) {
  const answers: unknown[] = [];
  const held: DispatchEntry[] = [];
  const deliveries = (list: { shard: number; n: number; times: number }[]) =>
    list.flatMap(({ shard, n, times }) => deliveryIds(times, n).map((id) => ({ id, shard })));
  const tell = (entries: readonly DispatchEntry[]) => {
    answers.push(entries.map(({ shard, ids }) => ({ shard, ids })));
    held.push(...entries);
  };
  for (const doing of steps) {
    if ("enqueue" in doing) await dispatch.enqueue(deliveries(doing.enqueue));
    else if ("retryAt" in doing) {
      const { atMs } = doing;
      await dispatch.retryAt(deliveries(doing.retryAt).map((each) => ({ ...each, atMs })));
    } else if ("promote" in doing) answers.push(await dispatch.promote(doing.promote, doing.limit));
    else if ("read" in doing) {
      const { read, maxEntries } = doing;
      tell(await dispatch.read(read, { consumer: "ann", maxEntries, waitMs: 0 }));
    } else if ("reclaim" in doing) {
      const { reclaim, maxEntries } = doing;
      tell(await dispatch.reclaim(reclaim, { consumer: "bob", minIdleMs: 0, maxEntries }));
    } else await dispatch.acknowledge(held.splice(0, doing.acknowledge));
  }
  const { readySinceMs, ...counts } = await dispatch.depth();
  return [...answers, counts, readySinceMs.map((sinceMs) => sinceMs !== null)];
}

test("it answers as memoryDispatch does, whatever is done", async (store) => {
  const steps = fc.array(step, { minLength: 5, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      await store.redis.flushall();
      await using dispatch = store.open();
      await using twin = memoryDispatch({ now: Date.now });
      assert.deepEqual(await replay(dispatch, steps), await replay(twin, steps));
    }),
    { numRuns: 60 },
  );
});
