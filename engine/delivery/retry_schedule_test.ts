import assert from "node:assert/strict";
import fc from "fast-check";
import { nextAttemptAtMs, type RetrySchedule } from "./retry_schedule.ts";

const schedule: RetrySchedule = {
  firstDelayMs: 60_000,
  maxDelayMs: 3_600_000,
  growth: 2,
  lifetimeMs: 86_400_000,
};
const middle = () => 0.5;

Deno.test("nextAttemptAtMs: delays double up to the longest one (RFC 5321 §4.5.4.1)", () => {
  const delays = [1, 2, 3, 7, 20].map((attempts) =>
    nextAttemptAtMs({ queuedAtMs: 0, attempts, nowMs: 0 }, { schedule, random: middle })
  );
  assert.deepEqual(delays, [60_000, 120_000, 240_000, 3_600_000, 3_600_000]);
});

Deno.test("nextAttemptAtMs: null once the next attempt would come after the lifetime", () => {
  const age = { queuedAtMs: 0, attempts: 9, nowMs: 82_800_001 };
  assert.equal(nextAttemptAtMs(age, { schedule, random: middle }), null);
});

Deno.test("nextAttemptAtMs: spreads over ten per cent either way", () => {
  fc.assert(fc.property(
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    fc.integer({ min: 1, max: 1000 }),
    (random, attempts) => {
      const atMs = nextAttemptAtMs({ queuedAtMs: 0, attempts, nowMs: 0 }, {
        schedule,
        random: () => random,
      });
      const plain = Math.min(60_000 * 2 ** (attempts - 1), 3_600_000);
      assert.ok(atMs !== null && atMs >= plain * 0.9 - 1 && atMs <= plain * 1.1 + 1);
    },
  ));
});
