import assert from "node:assert/strict";
import { StoreUnavailableError } from "./errors.ts";
import { fallbackGreylist } from "./fallback_greylist.ts";
import type { Greylist } from "./greylist.ts";
import { testGreylist } from "./greylist_conformance.ts";
import { memoryGreylist } from "./memory_greylist.ts";

testGreylist({
  name: "fallbackGreylist",
  openStore(now) {
    const shared = memoryGreylist({ now });
    const onFallback = () => assert.fail("the shared store was there");
    return Promise.resolve({
      open: () => fallbackGreylist({ shared, onFallback, now }),
      async [Symbol.asyncDispose]() {},
    });
  },
});

Deno.test("fallbackGreylist: while the store is away nobody has to wait", async () => {
  const state = { nowMs: 1_000_000, isAway: true, reports: 0 };
  const now = () => state.nowMs;
  const store = memoryGreylist({ now });
  const shared: Greylist = {
    ask: (query) =>
      state.isAway ? Promise.reject(new StoreUnavailableError("away")) : store.ask(query),
  };
  const greylist = fallbackGreylist({ shared, onFallback: () => state.reports++, now });
  const query = {
    senders: [],
    triplets: ["t"],
    isVouchedFor: false,
    delayMs: 1,
    windowMs: 2,
    trustMs: 3,
  };
  assert.deepEqual(await greylist.ask(query), { kind: "trusted" });
  assert.deepEqual(await greylist.ask(query), { kind: "trusted" });
  assert.equal(state.reports, 1);
  await assert.rejects(greylist.ask({ ...query, delayMs: -1 }), RangeError);
  state.isAway = false;
  state.nowMs += 2_000;
  assert.equal((await greylist.ask(query)).kind, "waiting");
});
