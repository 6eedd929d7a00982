/** The server ends without a word, or when asked to, in the middle of its work. */
import assert from "node:assert/strict";
import { startPostgres } from "../fixtures/postgres.ts";
import { startRedis } from "../fixtures/redis.ts";
import { World } from "./world.ts";

/** A start on the embedded database takes several times as long. */
const KILLS = { embedded: 3, shared: 6 };
const MESSAGES_PER_LIFE = 150;

async function killAgainAndAgain(
  world: World,
  { kills, scenario }: { readonly kills: number; readonly scenario: string },
): Promise<void> {
  world.send();
  for (let kill = 0; kill < kills; kill++) {
    await world.progress(MESSAGES_PER_LIFE);
    await world.sluice.kill();
    await world.sluice.start();
  }
  await world.progress(MESSAGES_PER_LIFE);
  // What a dead server had leased may have been under way to the sink, and nothing else.
  await world.close(`kill -9 of the server × ${kills}, ${scenario}`, {
    duplicates: world.sluice.told.abandoned,
  });
}

Deno.test("embedded stores: kill -9 of the server loses nothing acknowledged", async () => {
  await using world = await World.open();
  await killAgainAndAgain(world, { kills: KILLS.embedded, scenario: "embedded stores" });
});

Deno.test("Postgres and Redis: kill -9 of the server loses nothing acknowledged", async () => {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  if (postgres === null || redis === null) return;
  await using world = await World.open({
    env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url },
  });
  await killAgainAndAgain(world, { kills: KILLS.shared, scenario: "Postgres and Redis" });
});

Deno.test("SIGTERM under load: drains, exits with 0, and repeats nothing", async () => {
  await using world = await World.open();
  world.send();
  for (let stop = 0; stop < 2; stop++) {
    await world.progress(2 * MESSAGES_PER_LIFE);
    assert.equal(await world.sluice.stop(), 0);
    await world.sluice.start();
  }
  await world.progress(MESSAGES_PER_LIFE);
  await world.close("SIGTERM under load × 3", { duplicates: 0 });
  assert.equal(world.sluice.told.abandoned, 0, "leases left behind");
});

Deno.test("kill -9 while the server starts for the first time leaves nothing that stops it", async () => {
  await using world = await World.open({
    killedAfterMs: [200, 400, 600, 800, 1_000, 1_300, 1_700],
  });
  world.send();
  await world.progress(MESSAGES_PER_LIFE);
  await world.close("kill -9 while starting × 7", { duplicates: 0 });
});
