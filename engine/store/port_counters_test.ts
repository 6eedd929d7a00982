import assert from "node:assert/strict";
import { testCounters } from "./counters_conformance.ts";
import { StoreUnavailableError } from "./errors.ts";
import { memoryCounters } from "./memory_counters.ts";
import { callChannel } from "./port_calls.ts";
import { portCounters, serveCounters } from "./port_counters.ts";

testCounters({
  name: "portCounters",
  openStore(now) {
    const counters = memoryCounters({ now });
    return Promise.resolve({
      open() {
        const { hub, worker } = callChannel();
        serveCounters(hub, counters);
        return portCounters(worker);
      },
      async [Symbol.asyncDispose]() {},
    });
  },
});

const minute = { key: "k", windowMs: 60_000 };

Deno.test("portCounters: a hub that closes fails calls under way and those to come", async () => {
  const { hub, worker } = callChannel();
  const never = memoryCounters({ now: Date.now });
  never.read = () => new Promise(() => {});
  const served = serveCounters(hub, never);
  await using counters = portCounters(worker);
  const call = assert.rejects(counters.read([minute]), StoreUnavailableError);
  await counters.add([{ ...minute, amount: 1 }]);
  served[Symbol.dispose]();
  await call;
  await assert.rejects(counters.read([minute]), StoreUnavailableError);
});

Deno.test("portCounters: calls without end are refused, those under way are answered", async () => {
  const { hub, worker } = callChannel();
  using _served = serveCounters(hub, memoryCounters({ now: Date.now }));
  await using counters = portCounters(worker);
  const calls = await Promise.allSettled(
    Array.from({ length: 2_000 }, () => counters.add([{ ...minute, amount: 1 }])),
  );
  const refused = calls.filter((call) => call.status === "rejected");
  assert.equal(refused.length, 2_000 - 1_024);
  assert.ok(refused.every((call) => call.reason instanceof StoreUnavailableError));
  assert.deepEqual(await counters.read([minute]), [1_024]);
});
