/** Two servers share one Postgres and one Redis; one of them dies, the other delivers everything. */
import postgres from "postgres";
import { startPostgres } from "../fixtures/postgres.ts";
import { startRedis } from "../fixtures/redis.ts";
import { World } from "./world.ts";

Deno.test("two nodes: when one is killed -9, the other delivers what it had", async () => {
  await using database = await startPostgres();
  await using redis = await startRedis();
  if (database === null || redis === null) return;
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    // Nodes that share a database share its secrets.
    SECRET_KEY: btoa("k".repeat(32)),
    LEASE_S: "4",
  };
  await using world = await World.open({ env });
  await world.addServer({ env: { ...env, SERVER_HOSTNAME: "sluice2.chaos.test" } });
  world.sink.answerMs = 100;
  world.send();
  await world.progress(1_000);
  await world.sluice.kill();
  const leased = await leasedBy(await world.sluice.nodeName(), database.url);
  await world.progress(300);
  await world.close("kill -9 of one node of two", { duplicates: leased });
});

/** Deliveries the node holds, which are the ones it may have had under way. */
async function leasedBy(node: string, url: string): Promise<number> {
  const sql = postgres(url, { max: 1 });
  try {
    const [{ count }] = await sql`
      SELECT count(*)::integer AS count FROM deliveries
      WHERE state = 'leased' AND starts_with(lease_owner, ${`${node}/`})`;
    return count;
  } finally {
    await sql.end();
  }
}
