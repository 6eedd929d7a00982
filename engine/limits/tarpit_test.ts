import assert from "node:assert/strict";
import fc from "fast-check";
import { tarpitDelayMs, TarpitPlaces, type TarpitPolicy } from "./tarpit.ts";

const POLICY: TarpitPolicy = {
  listWeight: 5,
  freeRefusals: 3,
  firstDelayMs: 1000,
  maxDelayMs: 10_000,
};

function delays(listWeight: number, policy = POLICY): number[] {
  return [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((refusals) =>
    tarpitDelayMs({ listWeight, refusals }, policy)
  );
}

Deno.test("tarpitDelayMs: nobody waits for a few errors, who goes on waits longer and longer", () => {
  assert.deepEqual(delays(0), [0, 0, 0, 0, 1000, 2000, 4000, 8000, 10_000, 10_000]);
});

Deno.test("tarpitDelayMs: a listed client waits from the first answer on", () => {
  assert.deepEqual(delays(5).slice(0, 5), [1000, 2000, 4000, 8000, 10_000]);
  assert.deepEqual(delays(4), delays(0));
  assert.deepEqual(delays(100, { ...POLICY, listWeight: null }), delays(0));
});

Deno.test("tarpitDelayMs: bounded and never shorter after one more refusal", () => {
  fc.assert(fc.property(fc.nat(), fc.integer(), (refusals, listWeight) => {
    const now = tarpitDelayMs({ listWeight, refusals }, POLICY);
    const next = tarpitDelayMs({ listWeight, refusals: refusals + 1 }, POLICY);
    assert.ok(now >= 0 && now <= next && next <= POLICY.maxDelayMs);
  }));
});

Deno.test("TarpitPlaces: so many and no more; a place is given back once", () => {
  const places = new TarpitPlaces({ max: 2 });
  const first = places.enter();
  assert.ok(first !== null && places.enter() !== null);
  assert.equal(places.enter(), null);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.equal(places.taken, 1);
  assert.ok(places.enter() !== null);
  assert.equal(places.enter(), null);
});
