import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { postgresHistory } from "./postgres_history.ts";
import { migrate } from "./postgres_migrate.ts";
import { postgresQuarantine } from "./postgres_quarantine.ts";
import { postgresSpool } from "./postgres_spool.ts";
import { quarantineConformance } from "./quarantine_conformance.ts";

async function conforms(t: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using one = client(target, 2);
  await using two = client(target, 2);
  await migrate(one);
  await quarantineConformance(t, {
    spool: postgresSpool(one),
    quarantine: postgresQuarantine(one),
    history: postgresHistory(one),
    otherSpool: postgresSpool(two),
    otherQuarantine: postgresQuarantine(two),
    clear: async () => {
      await one`TRUNCATE messages, deliveries, attempts, bodies, quarantine`;
    },
  });
  await t.step("bodies: what is held or decided leaves nothing behind", async () => {
    const rows = await one<{ slot: number; count: number }[]>`
      SELECT slot, count(*)::integer AS count FROM bodies GROUP BY slot`;
    assert.deepEqual([...rows], [{ slot: -2, count: 1 }]);
  });
}

Deno.test("postgresQuarantine: keeps the promises of a quarantine, embedded", async (t) => {
  await using embedded = await embeddedPostgres();
  await conforms(t, embedded.target);
});

Deno.test("postgresQuarantine: keeps the promises of a quarantine, on Postgres", async (t) => {
  await using server = await startPostgres();
  if (server !== null) await conforms(t, { kind: "url", url: server.url });
});
