import assert from "node:assert/strict";
import { sampleLoopLag } from "./loop_lag.ts";

Deno.test("sampleLoopLag: tells by how much a tick came late", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const keptAlive = setInterval(() => {}, 1000);
  using _sampler = sampleLoopLag({ observe: resolve, intervalMs: 5 });
  const deadlineMs = performance.now() + 60;
  while (performance.now() < deadlineMs);
  const lagSeconds = await promise;
  clearInterval(keptAlive);
  assert.ok(lagSeconds >= 0.05 && lagSeconds < 5, `${lagSeconds}`);
});

Deno.test("sampleLoopLag: an early tick is no lag, and the next is measured from there", async () => {
  const clock = [0, 4, 30];
  const lags: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const keptAlive = setInterval(() => {}, 1000);
  {
    using _sampler = sampleLoopLag({
      observe: (lag) => {
        lags.push(lag);
        if (lags.length === 2) resolve();
      },
      now: () => clock.shift() ?? 0,
      intervalMs: 5,
    });
    await promise;
  }
  clearInterval(keptAlive);
  assert.deepEqual(lags, [0, 0.021]);
});
