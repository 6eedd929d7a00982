/** A worker of the server throws: it is replaced, only its own sessions notice, and no mail is lost. */
import assert from "node:assert/strict";
import { until } from "../fixtures/process.ts";
import { runInWorker } from "./inspector.ts";
import { World } from "./world.ts";

const FAULTS = [
  `setTimeout(() => { throw new Error("thrown by a test") })`,
  `setTimeout(() => { Promise.reject(new Error("rejected by a test")) })`,
];

for (const kind of ["session", "delivery"] as const) {
  Deno.test(`a ${kind} worker that throws is replaced, and no mail is lost`, async () => {
    await using world = await World.open({ inspect: true });
    world.sink.answerMs = 20;
    const load = world.send();
    await world.progress(200);
    const descriptors = await world.sluice.openDescriptors() ?? 0;
    let restarts = 0;
    for (const expression of FAULTS) {
      for (const index of [0, 1]) {
        const before = [...load.cuts];
        await runInWorker(world.sluice.inspectorUrl, {
          module: `workers/${kind}.ts`,
          index,
          expression,
        });
        restarts++;
        await until(async () => await world.sluice.workerRestarts(kind) === restarts);
        await until(() => world.sluice.isReady());
        await world.progress(100);
        const hit = load.cuts.filter((cuts, i) => cuts > before[i]).length;
        if (kind === "delivery") assert.equal(hit, 0, "a session noticed");
        else assert.ok(hit > 0 && hit < load.cuts.length, `${hit} sessions noticed`);
      }
    }
    await world.close(`4 faults of ${kind} workers`, world.sluice.told.abandoned);
    const opened = (await world.sluice.openDescriptors() ?? 0) - descriptors;
    assert.ok(opened < 10, `${opened} descriptors left behind`);
  });
}
