import assert from "node:assert/strict";
import { StoreUnavailableError } from "./errors.ts";
import { fallbackMeters } from "./fallback_meters.ts";
import { memoryMeters } from "./memory_meters.ts";
import type { Meters } from "./meters.ts";
import { testMeters } from "./meters_conformance.ts";

testMeters({
  name: "fallbackMeters",
  openStore(now) {
    const shared = memoryMeters({ now });
    const onFallback = () => assert.fail("the shared store was there");
    return Promise.resolve({
      open: () => fallbackMeters({ shared, local: memoryMeters({ now }), onFallback, now }),
      async [Symbol.asyncDispose]() {},
    });
  },
});

Deno.test("fallbackMeters: while the store is away each counts for itself, and is told of once", async () => {
  const state = { nowMs: 1_000_000, isAway: true, reports: 0 };
  const now = () => state.nowMs;
  const store = memoryMeters({ now });
  const shared: Meters = {
    pass: (claims) =>
      state.isAway ? Promise.reject(new StoreUnavailableError("away")) : store.pass(claims),
  };
  const local = memoryMeters({ now });
  const meters = fallbackMeters({ shared, local, onFallback: () => state.reports++, now });
  const claim = { key: "k", burst: 1, periodMs: 3_600_000, amount: 1 };
  assert.equal((await meters.pass([claim])).kind, "granted");
  assert.equal((await meters.pass([claim])).kind, "refused");
  assert.equal(state.reports, 1);
  state.isAway = false;
  // It is left alone for a moment.
  assert.equal((await meters.pass([claim])).kind, "refused");
  state.nowMs += 2_000;
  assert.equal((await meters.pass([claim])).kind, "granted");
  assert.equal((await meters.pass([claim])).kind, "refused");
});
