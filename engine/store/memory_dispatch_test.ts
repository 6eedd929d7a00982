import assert from "node:assert/strict";
import {
  deliveryIds,
  type DispatchStore,
  eventually,
  idsOf,
  testDispatch,
} from "./dispatch_conformance.ts";
import { StoreUnavailableError } from "./errors.ts";
import { memoryDispatch } from "./memory_dispatch.ts";

function openStore(): Promise<DispatchStore> {
  const dispatch = memoryDispatch({ now: Date.now });
  return Promise.resolve({
    open: () => dispatch,
    async waitingReads(count) {
      await eventually(() => Promise.resolve(dispatch.waitingReads), (found) => found === count);
    },
    [Symbol.asyncDispose]: () => dispatch[Symbol.asyncDispose](),
  });
}

testDispatch({ name: "memoryDispatch", openStore, oneClient: true });

Deno.test("memoryDispatch: idle time is that of the clock given, to the millisecond", async () => {
  let nowMs = 1_000;
  await using dispatch = memoryDispatch({ now: () => nowMs });
  await dispatch.enqueue([{ id: deliveryIds(1)[0], shard: 2 }]);
  await dispatch.read([2], { consumer: "ann", maxEntries: 1, waitMs: 0 });
  const options = { consumer: "bob", minIdleMs: 500, maxEntries: 1 };
  nowMs = 1_499;
  assert.deepEqual(await dispatch.reclaim([2], options), []);
  nowMs = 1_500;
  assert.deepEqual(idsOf(await dispatch.reclaim([2], options)), deliveryIds(1));
  nowMs = 1_999;
  assert.deepEqual(await dispatch.reclaim([2], options), []);
});

Deno.test("memoryDispatch: a read called off takes nothing", async () => {
  await using dispatch = memoryDispatch({ now: () => 0 });
  const calledOff = new AbortController();
  const options = { consumer: "ann", maxEntries: 1, waitMs: 20_000 };
  const read = dispatch.read([1], { ...options, signal: calledOff.signal });
  calledOff.abort();
  await dispatch.enqueue([{ id: deliveryIds(1)[0], shard: 1 }]);
  assert.deepEqual(await read, []);
  assert.deepEqual(await dispatch.read([1], { ...options, signal: calledOff.signal }), []);
  assert.deepEqual((await dispatch.depth()).ready[1], 1);
});

Deno.test("memoryDispatch: disposing ends waiting reads and refuses new calls", async () => {
  const dispatch = memoryDispatch({ now: () => 0 });
  const read = dispatch.read([1], { consumer: "ann", maxEntries: 1, waitMs: 20_000 });
  await dispatch[Symbol.asyncDispose]();
  assert.deepEqual(await read, []);
  await assert.rejects(dispatch.depth(), StoreUnavailableError);
});
