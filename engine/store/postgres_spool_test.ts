import type postgres from "postgres";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { migrate } from "./postgres_migrate.ts";
import { postgresSpool } from "./postgres_spool.ts";
import { spoolConformance } from "./spool_conformance.ts";

async function clear(sql: postgres.Sql): Promise<void> {
  await sql`TRUNCATE messages, deliveries, attempts, bodies, quarantine`;
}

async function conforms(t: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using one = client(target, 2);
  await using two = client(target, 2);
  await migrate(one);
  const store = { a: postgresSpool(one), b: postgresSpool(two), clear: () => clear(one) };
  await spoolConformance(t, store);
}

Deno.test("postgresSpool: keeps the promises of a spool, embedded", async (t) => {
  await using embedded = await embeddedPostgres();
  await conforms(t, embedded.target);
});

Deno.test("postgresSpool: keeps the promises of a spool, on Postgres", async (t) => {
  await using server = await startPostgres();
  if (server !== null) await conforms(t, { kind: "url", url: server.url });
});
