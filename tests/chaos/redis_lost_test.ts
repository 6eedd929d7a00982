/** The dispatcher loses its memory, or is away: it holds nothing that the spool does not know. */
import { Redis } from "ioredis";
import { startPostgres } from "../fixtures/postgres.ts";
import { startRedis } from "../fixtures/redis.ts";
import { World } from "./world.ts";

Deno.test("FLUSHALL under load: nothing is lost, nothing repeated", async () => {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  if (postgres === null || redis === null) return;
  await using world = await World.open({
    env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url },
  });
  const admin = new Redis(redis.url);
  try {
    world.send();
    for (let flush = 0; flush < 3; flush++) {
      await world.progress(200);
      await admin.flushall();
    }
  } finally {
    admin.disconnect();
  }
  await world.progress(100);
  await world.close("FLUSHALL × 3", { duplicates: 0 });
});

Deno.test("kill -9 of Redis under load: mail is taken all the same, and nothing repeated", async () => {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  if (postgres === null || redis === null) return;
  await using world = await World.open({
    env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url },
  });
  world.send();
  for (let kill = 0; kill < 2; kill++) {
    await world.progress(200);
    await redis.kill();
    // Without Redis the spool takes mail as before.
    await world.progress(400);
    await redis.start();
  }
  await world.progress(200);
  await world.close("kill -9 of Redis × 2", { duplicates: 0 });
});
