import assert from "node:assert/strict";
import { testCounters } from "./counters_conformance.ts";
import { memoryCounters } from "./memory_counters.ts";

testCounters({
  name: "memoryCounters",
  openStore(now) {
    const counters = memoryCounters({ now });
    return Promise.resolve({ open: () => counters, async [Symbol.asyncDispose]() {} });
  },
});

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

Deno.test("memoryCounters: at the bound what expires first goes, the oldest in front", async () => {
  const counters = memoryCounters({ now: () => 0, maxCounts: 4 });
  const short = (key: string) => ({ key, windowMs: MINUTE, amount: 1 });
  const long = (key: string) => ({ key, windowMs: HOUR, amount: 1 });
  await counters.add([short("a"), long("b"), short("c"), long("d")]);
  // Counting again what is there displaces nothing.
  await counters.add([short("a"), long("b")]);
  assert.deepEqual(await counters.read([short("a"), long("b"), short("c")]), [2, 2, 1]);
  await counters.add([long("e")]);
  assert.deepEqual(await counters.read([short("a"), short("c"), long("b")]), [0, 1, 2]);
  await counters.add([long("f"), long("g")]);
  const left = await counters.read([short("c"), ...["b", "d", "e", "f", "g"].map(long)]);
  assert.deepEqual(left, [0, 0, 1, 1, 1, 1]);
});

Deno.test("memoryCounters: at the bound what is over makes room before what is not", async () => {
  let nowMs = 0;
  const counters = memoryCounters({ now: () => nowMs, maxCounts: 3 });
  await counters.add([{ key: "over", windowMs: MINUTE, amount: 1 }]);
  await counters.add([{ key: "long", windowMs: HOUR, amount: 1 }]);
  nowMs = HOUR;
  await counters.add([{ key: "new", windowMs: HOUR, amount: 1 }]);
  await counters.add([{ key: "newer", windowMs: HOUR, amount: 1 }]);
  const keys = ["long", "new", "newer"].map((key) => ({ key, windowMs: HOUR }));
  assert.deepEqual(await counters.read(keys), [1, 1, 1]);
});

Deno.test("memoryCounters: keys without end leave no more than the bound, without delay", async () => {
  const counters = memoryCounters({ now: () => 0, maxCounts: 1_000 });
  const startMs = performance.now();
  for (let i = 0; i < 200_000; i++) {
    await counters.add([{ key: `k${i}`, windowMs: MINUTE, amount: 1 }]);
  }
  assert.ok(performance.now() - startMs < 4_000, `${performance.now() - startMs} ms`);
  const held = async (i: number) => (await counters.read([{ key: `k${i}`, windowMs: MINUTE }]))[0];
  assert.deepEqual(await Promise.all([198_999, 199_000, 199_999].map(held)), [0, 1, 1]);
});
