import assert from "node:assert/strict";
import { median, percentilesOf } from "./statistics.ts";

Deno.test("median: odd counts give the middle value whatever the order", () => {
  assert.equal(median([9, 1, 5]), 5);
});

Deno.test("median: even counts give the mean of the two middle values", () => {
  assert.equal(median([4, 1, 3, 100]), 3.5);
});

Deno.test("median: nothing has none", () => {
  assert.equal(median([]), null);
});

Deno.test("percentilesOf: nearest rank over 1..100, unsorted", () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.deepEqual(percentilesOf(values), { count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
});

Deno.test("percentilesOf: sorts by number, not by text", () => {
  assert.equal(percentilesOf([10, 9, 2]).max, 10);
});

Deno.test("percentilesOf: one value is every percentile, none is zero", () => {
  assert.deepEqual(percentilesOf([7]), { count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
  assert.deepEqual(percentilesOf([]), { count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});
