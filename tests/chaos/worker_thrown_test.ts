/** A worker of the server throws: it is replaced, only its own sessions notice, and no mail is lost. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type NetConnectOpts } from "node:net";
import { until } from "../fixtures/process.ts";
import { runInWorker } from "./inspector.ts";
import { World } from "./world.ts";

const FAULTS = [
  `setTimeout(() => { throw new Error("thrown by a test") })`,
  `setTimeout(() => { Promise.reject(new Error("rejected by a test")) })`,
];
const HANGS_AND_THROWS = `setTimeout(() => {
  const untilMs = Date.now() + 1500;
  while (Date.now() < untilMs);
  throw new Error("thrown by a test");
})`;

for (const kind of ["session", "delivery"] as const) {
  Deno.test(`a ${kind} worker that throws is replaced, and no mail is lost`, async () => {
    await using world = await World.open({ inspect: true });
    world.sink.answerMs = 20;
    const load = world.send();
    await world.progress(200);
    let deaths = 0;
    for (const [index, expression] of FAULTS.entries()) {
      const before = [...load.cuts];
      const where = { module: `workers/${kind}.ts`, index, expression };
      await runInWorker(world.sluice.inspectorUrl, where);
      deaths++;
      await until(async () => await world.sluice.workerDeaths() === deaths);
      await until(() => world.sluice.isReady());
      await world.progress(100);
      const hit = load.cuts.filter((cuts, i) => cuts > before[i]).length;
      if (kind === "delivery") assert.equal(hit, 0, "a session noticed");
      // Whoever comes back while a worker is down goes to the other one, and stays there.
      else if (deaths === 1) assert.ok(hit > 0 && hit < load.cuts.length, `${hit} noticed`);
    }
    await world.close(`${FAULTS.length} faults of ${kind} workers`, {
      duplicates: world.sluice.told.abandoned,
      workerDeaths: deaths,
    });
  });
}

Deno.test("connections that wait at a session worker when it dies are told to come again", async () => {
  await using world = await World.open({ inspect: true });
  await runInWorker(world.sluice.inspectorUrl, {
    module: "workers/session.ts",
    index: 0,
    expression: HANGS_AND_THROWS,
  });
  const clients = Array.from({ length: 20 }, (_, i) =>
    firstWords({
      host: "127.0.0.1",
      port: world.sluice.smtpPort,
      localAddress: `127.0.2.${i + 1}`,
    }));
  const words = Map.groupBy(await Promise.all(clients), (word) => word);
  assert.deepEqual([...words.keys()].sort(), ["220", "421"]);
});

/** The code of what a server says first. */
async function firstWords(target: NetConnectOpts): Promise<string> {
  const socket = connect(target);
  try {
    const [data] = await once(socket, "data", { signal: AbortSignal.timeout(15_000) });
    return String(data).slice(0, 3);
  } finally {
    socket.destroy();
  }
}
