/** Two servers share one Postgres and one Redis; one of them dies, the other delivers everything. */
import { startPostgres } from "../fixtures/postgres.ts";
import { startRedis } from "../fixtures/redis.ts";
import { World } from "./world.ts";

Deno.test("two nodes: when one is killed -9, the other delivers what it had", async () => {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  if (postgres === null || redis === null) return;
  const env = { DATABASE_URL: postgres.url, REDIS_URL: redis.url, LEASE_S: "2" };
  await using world = await World.open({ env });
  await world.addServer({ env: { ...env, SERVER_HOSTNAME: "sluice2.chaos.test" } });
  world.sink.answerMs = 100;
  world.send();
  await world.progress(1_000);
  await world.sluice.kill();
  const leased = await leasedBy(postgres.url);
  await world.progress(300);
  await world.close("kill -9 of one node of two", leased);
});

/** Deliveries somebody holds, which are the ones that may have been under way. */
async function leasedBy(url: string): Promise<number> {
  const { default: postgres } = await import("postgres");
  const sql = postgres(url, { max: 1 });
  try {
    const [{ count }] = await sql`
      SELECT count(*)::integer AS count FROM deliveries WHERE state = 'leased'`;
    return count;
  } finally {
    await sql.end();
  }
}
