import assert from "node:assert/strict";
import type { DispatchEntry } from "./dispatch.ts";
import {
  deliveryIds,
  type DispatchStore,
  eventually,
  idsOf,
  testDispatch,
} from "./dispatch_conformance.ts";
import { StoreUnavailableError } from "./errors.ts";
import { memoryDispatch } from "./memory_dispatch.ts";
import { dispatchChannel, portDispatch, serveDispatch } from "./port_dispatch.ts";

function openStore(): Promise<DispatchStore> {
  const dispatch = memoryDispatch({ now: Date.now });
  return Promise.resolve({
    open() {
      const { hub, worker } = dispatchChannel();
      serveDispatch(hub, dispatch);
      return portDispatch(worker);
    },
    async waitingReads(count) {
      await eventually(() => Promise.resolve(dispatch.waitingReads), (found) => found === count);
    },
    [Symbol.asyncDispose]: () => dispatch[Symbol.asyncDispose](),
  });
}

testDispatch({ name: "portDispatch", openStore });

/** Starts a worker that reads shard 1, and answers it with the entries it tells of. */
function startReader(port: MessagePort) {
  const url = import.meta.resolve("./testdata/dispatch_reader.ts");
  const worker = new Worker(url, { type: "module" });
  worker.postMessage(null, [port]);
  const firstRead = new Promise<readonly DispatchEntry[]>((resolve) => {
    worker.onmessage = (event) => resolve(event.data);
  });
  return { worker, firstRead };
}

Deno.test("serveDispatch: a worker that dies while it waits is handed nothing", async () => {
  await using dispatch = memoryDispatch({ now: Date.now });
  const { hub, worker: port } = dispatchChannel();
  using _hub = serveDispatch(hub, dispatch);
  const { worker } = startReader(port);
  const waiting = (count: number) =>
    eventually(() => Promise.resolve(dispatch.waitingReads), (found) => found === count);
  await waiting(1);
  worker.terminate();
  await waiting(0);
  await dispatch.enqueue([{ id: deliveryIds(1)[0], shard: 1 }]);
  const entries = await dispatch.read([1], { consumer: "main", maxEntries: 1, waitMs: 0 });
  assert.deepEqual(idsOf(entries), deliveryIds(1));
});

Deno.test("serveDispatch: what a dead worker had read is reclaimed", async () => {
  await using dispatch = memoryDispatch({ now: Date.now });
  const { hub, worker: port } = dispatchChannel();
  using _hub = serveDispatch(hub, dispatch);
  const { worker, firstRead } = startReader(port);
  await dispatch.enqueue([{ id: deliveryIds(1)[0], shard: 1 }]);
  const entries = await firstRead;
  worker.terminate();
  const options = { consumer: "main", minIdleMs: 0, maxEntries: 1 };
  assert.deepEqual(await dispatch.reclaim([1], options), entries);
  assert.deepEqual(idsOf(entries), deliveryIds(1));
});

Deno.test("portDispatch: a hub that closes ends waiting reads and refuses calls", async () => {
  await using dispatch = memoryDispatch({ now: Date.now });
  const { hub, worker: port } = dispatchChannel();
  const served = serveDispatch(hub, dispatch);
  await using client = portDispatch(port);
  const read = client.read([1], { consumer: "ann", maxEntries: 1, waitMs: 20_000 });
  await eventually(() => Promise.resolve(dispatch.waitingReads), (found) => found === 1);
  served[Symbol.dispose]();
  assert.deepEqual(await read, []);
  await assert.rejects(client.depth(), StoreUnavailableError);
  await dispatch.enqueue([{ id: deliveryIds(1)[0], shard: 1 }]);
  assert.equal((await dispatch.depth()).ready[1], 1);
});

Deno.test("portDispatch: calls without end are refused, those under way are answered", async () => {
  await using dispatch = memoryDispatch({ now: Date.now });
  const { hub, worker: port } = dispatchChannel();
  using _hub = serveDispatch(hub, dispatch);
  await using client = portDispatch(port);
  const calls = await Promise.allSettled(Array.from({ length: 2_000 }, () => client.depth()));
  const refused = calls.filter((call) => call.status === "rejected");
  assert.equal(refused.length, 2_000 - 1_024);
  assert.ok(refused.every((call) => call.reason instanceof StoreUnavailableError));
  assert.equal(await client.needsRebuild(), true);
});

Deno.test("portDispatch: a fault of the dispatcher reaches the worker", async () => {
  const dispatch = memoryDispatch({ now: Date.now });
  const { hub, worker: port } = dispatchChannel();
  using _hub = serveDispatch(hub, dispatch);
  await using client = portDispatch(port);
  await dispatch[Symbol.asyncDispose]();
  await assert.rejects(client.depth(), /closed/);
});
