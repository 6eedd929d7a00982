import assert from "node:assert/strict";
import type { Counters } from "./counters.ts";
import { testCounters } from "./counters_conformance.ts";
import { StoreUnavailableError } from "./errors.ts";
import { fallbackCounters } from "./fallback_counters.ts";
import { memoryCounters } from "./memory_counters.ts";
import { callChannel } from "./port_calls.ts";
import { portCounters, serveCounters } from "./port_counters.ts";

testCounters({
  name: "fallbackCounters",
  openStore(now) {
    const shared = memoryCounters({ now });
    const onFallback = () => assert.fail("the shared store was there");
    return Promise.resolve({
      open: () => fallbackCounters({ shared, local: memoryCounters({ now }), onFallback, now }),
      async [Symbol.asyncDispose]() {},
    });
  },
});

const window = { key: "k", windowMs: 3_600_000 };
const one = [{ ...window, amount: 1 }];

/** Counters whose store is away at times, and how often they were asked. */
function world() {
  const state = { nowMs: 1_000_000, isAway: false, asked: 0, reports: 0 };
  const now = () => state.nowMs;
  const store = memoryCounters({ now });
  const reached = <T>(call: Promise<T>): Promise<T> => {
    state.asked++;
    return state.isAway ? Promise.reject(new StoreUnavailableError("away")) : call;
  };
  const shared: Counters = {
    take: (claims) => reached(store.take(claims)),
    add: (counts) => reached(state.isAway ? Promise.resolve([]) : store.add(counts)),
    giveBack: (counts) => reached(store.giveBack(counts)),
    read: (windows) => reached(store.read(windows)),
    reset: (windows) => reached(store.reset(windows)),
  };
  const local = memoryCounters({ now });
  const onFallback = () => state.reports++;
  return { state, counters: fallbackCounters({ shared, local, onFallback, now }) };
}

Deno.test("fallbackCounters: while the store is away each call is answered locally", async () => {
  const { state, counters } = world();
  assert.deepEqual(await counters.add(one), [1]);
  state.isAway = true;
  assert.deepEqual(await counters.add(one), [1]);
  assert.deepEqual(await counters.add(one), [2]);
  assert.deepEqual(await counters.read([window]), [2]);
  const taken = await counters.take([{ ...window, amount: 1, limit: 2 }]);
  assert.equal(taken.kind, "refused");
  await counters.reset([window]);
  assert.deepEqual(await counters.read([window]), [0]);
});

Deno.test("fallbackCounters: a store that failed is left alone, then one call tries it", async () => {
  const { state, counters } = world();
  state.isAway = true;
  await Promise.all([counters.read([window]), counters.read([window])]);
  assert.equal(state.asked, 2);
  await Promise.all(Array.from({ length: 50 }, () => counters.add(one)));
  assert.equal(state.asked, 2);
  state.nowMs += 2_000;
  await Promise.all(Array.from({ length: 50 }, () => counters.add(one)));
  assert.equal(state.asked, 3);
  state.isAway = false;
  state.nowMs += 2_000;
  assert.deepEqual(await counters.add(one), [1]);
  assert.deepEqual(await counters.add(one), [2]);
  assert.equal(state.asked, 5);
});

Deno.test("fallbackCounters: it is told at most once a minute", async () => {
  const { state, counters } = world();
  state.isAway = true;
  for (let second = 0; second < 120; second++) {
    await counters.read([window]);
    state.nowMs += 1_000;
  }
  assert.equal(state.reports, 2);
});

Deno.test("fallbackCounters: a fault of the caller is not one of the store", async () => {
  const { state, counters } = world();
  await assert.rejects(counters.read([{ key: "", windowMs: 1 }]), RangeError);
  assert.equal(state.reports, 0);
});

Deno.test("fallbackCounters: a port that closed is a store that is away", async () => {
  const { hub, worker } = callChannel();
  const served = serveCounters(hub, memoryCounters({ now: Date.now }));
  await using shared = portCounters(worker);
  let reports = 0;
  const onFallback = () => reports++;
  const local = memoryCounters({ now: Date.now });
  const counters = fallbackCounters({ shared, local, onFallback, now: Date.now });
  assert.deepEqual(await counters.add(one), [1]);
  served[Symbol.dispose]();
  assert.deepEqual(await counters.add(one), [1]);
  assert.equal(reports, 1);
});
