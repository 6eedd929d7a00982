/** The spool goes away under load: clients are asked to come again, and all goes on by itself. */
import assert from "node:assert/strict";
import { type PostgresFixture, startPostgres } from "../fixtures/postgres.ts";
import { startRedis } from "../fixtures/redis.ts";
import { until } from "../fixtures/process.ts";
import { World } from "./world.ts";

const RETRY_MS = 200;

Deno.test("kill -9 of Postgres under load: 451 meanwhile, then recovery by itself", async () => {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  if (postgres === null || redis === null) return;
  await using world = await World.open({
    env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url },
  });
  world.sink.answerMs = 20;
  world.send();
  for (let kill = 0; kill < 2; kill++) {
    await world.progress(200);
    await postgres.kill();
    const { refusals } = world.ledger;
    const before = refusals.get("451 4.3.0") ?? 0;
    await until(() => (refusals.get("451 4.3.0") ?? 0) > before + 20);
    await startAgain(postgres);
    await until(() => world.sluice.isReady());
  }
  await world.progress(200);
  await world.close("kill -9 of Postgres × 2", { duplicates: 0 });
  assert.deepEqual([...world.ledger.refusals.keys()], ["451 4.3.0"]);
});

/** The processes a killed Postgres leaves behind keep its memory until they have noticed. */
async function startAgain(postgres: PostgresFixture): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await postgres.start();
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
