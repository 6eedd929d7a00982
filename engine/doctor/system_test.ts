import assert from "node:assert/strict";
import { levelOf } from "./finding.ts";
import { examineStores, judgeClock, type StoreProbe } from "./system.ts";

const NOW_MS = Date.UTC(2026, 10, 19);

async function examine(ask: StoreProbe["ask"], timeoutMs = 5_000): Promise<string[]> {
  const checks = await examineStores([{ name: "Redis", ask }], { nowMs: () => NOW_MS, timeoutMs });
  return checks.map((check) => `${levelOf(check)} ${check.subject}: ${check.reason}`);
}

Deno.test("examineStores: a store answers, with a clock of its own or without", async () => {
  assert.deepEqual(await examine(() => Promise.resolve(null)), ["ok Redis: Redis answers"]);
  assert.deepEqual(await examine(() => Promise.resolve(NOW_MS + 7_000)), [
    "ok Redis: Redis answers",
    "warn clock by Redis: this clock is 7.0 s behind that of Redis",
  ]);
});

Deno.test("examineStores: a store that fails or says nothing is told with the reason", async () => {
  assert.deepEqual(await examine(() => Promise.reject(new Error("no route"))), [
    "fail Redis: Redis cannot be used: no route",
  ]);
  assert.deepEqual(await examine(() => Promise.reject(new Error(""))), [
    "fail Redis: Redis cannot be used: no reason given",
  ]);
  assert.deepEqual(await examine(() => new Promise(() => {}), 1), [
    "fail Redis: Redis does not answer in time",
  ]);
});

Deno.test("judgeClock: seconds are a warning, a minute is wrong, either way", () => {
  const verdicts = [0, 5_000, -5_001, 5_001, 60_000, 60_001, -60_001]
    .map((offsetMs) => judgeClock("Redis", offsetMs).verdict);
  assert.deepEqual(verdicts, ["right", "right", "warn", "warn", "warn", "wrong", "wrong"]);
  assert.match(judgeClock("Redis", 90_000).reason, /90\.0 s ahead of that of Redis/);
});
