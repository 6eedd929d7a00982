import assert from "node:assert/strict";
import { memoryMeters } from "./memory_meters.ts";
import type { Meters } from "./meters.ts";
import { testMeters } from "./meters_conformance.ts";

testMeters({
  name: "memoryMeters",
  openStore(now) {
    const meters = memoryMeters({ now });
    return Promise.resolve({ open: () => meters, async [Symbol.asyncDispose]() {} });
  },
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const full = (key: string, periodMs = MINUTE) => ({ key, burst: 2, periodMs, amount: 2 });

/** Which of the meters still know that they are full; asking makes none. */
async function stillFull(meters: Meters, claims: readonly ReturnType<typeof full>[]) {
  const known: string[] = [];
  for (const claim of claims) {
    const passage = await meters.pass([claim, { ...full("never"), amount: 3 }]);
    if (passage.kind === "refused" && passage.claim === 0) known.push(claim.key);
  }
  return known;
}

Deno.test("memoryMeters: at the bound what is over first goes, the oldest in front", async () => {
  let nowMs = 0;
  const meters = memoryMeters({ now: () => nowMs, maxMeters: 4 });
  await meters.pass([full("a")]);
  await meters.pass([full("b", HOUR)]);
  await meters.pass([full("c")]);
  await meters.pass([full("d", HOUR)]);
  nowMs = 30_000;
  // Used again, so it is over later than the other one of its period.
  await meters.pass([{ ...full("a"), amount: 1 }]);
  const all = [full("a"), full("b", HOUR), full("c"), full("d", HOUR)];
  assert.deepEqual(await stillFull(meters, all), ["a", "b", "c", "d"]);
  await meters.pass([full("e", HOUR)]);
  assert.deepEqual(await stillFull(meters, all), ["a", "b", "d"]);
  await meters.pass([full("f", HOUR)]);
  await meters.pass([full("g", HOUR)]);
  assert.deepEqual(await stillFull(meters, all), ["d"]);
});

Deno.test("memoryMeters: what is over goes before what is not", async () => {
  let nowMs = 0;
  const meters = memoryMeters({ now: () => nowMs, maxMeters: 3 });
  await meters.pass([full("over"), full("over too")]);
  nowMs = MINUTE + 1;
  await meters.pass([full("new")]);
  await meters.pass([full("newer")]);
  await meters.pass([full("newest")]);
  const claims = ["new", "newer", "newest"].map((key) => full(key));
  assert.deepEqual(await stillFull(meters, claims), ["new", "newer", "newest"]);
});

Deno.test("memoryMeters: keys without end leave no more than the bound, without delay", async () => {
  const meters = memoryMeters({ now: () => 0, maxMeters: 1_000 });
  const startMs = performance.now();
  for (let i = 0; i < 100_000; i++) await meters.pass([full(`k${i}`)]);
  assert.ok(performance.now() - startMs < 4_000, `${performance.now() - startMs} ms`);
  const claims = [98_999, 99_000, 99_999].map((i) => full(`k${i}`));
  assert.deepEqual(await stillFull(meters, claims), ["k99000", "k99999"]);
});
