import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { migrate } from "./postgres_migrate.ts";
import { postgresReputations } from "./postgres_reputations.ts";
import { postgresSpamMemory } from "./postgres_spam_memory.ts";
import { reputationsConformance } from "./reputations_conformance.ts";
import { spamMemoryConformance } from "./spam_memory_conformance.ts";

async function conforms(test: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using sql = client(target, 2);
  await using other = client(target, 2);
  await migrate(sql);
  let nowMs = 0;
  const now = () => nowMs;
  await spamMemoryConformance(test, {
    here: postgresSpamMemory(sql, { now }),
    elsewhere: postgresSpamMemory(other, { now }),
    setNow: (ms) => nowMs = ms,
  });
  await reputationsConformance(test, {
    here: postgresReputations(sql),
    elsewhere: postgresReputations(other),
  });

  await test.step("postgresSpamMemory: finds rows by keys, however many there are", async () => {
    await sql`
      INSERT INTO spam_tokens (scope, token, ham, spam, day)
      SELECT 1, n, 1, 0, 0 FROM generate_series(1000000, 1020000) n`;
    await sql`ANALYZE spam_tokens`;
    const plans = [
      sql`EXPLAIN UPDATE spam_tokens t SET ham = 0
        FROM unnest('{1}'::text::integer[], '{2}'::text::bigint[]) AS d(s, t)
        WHERE t.scope = d.s AND t.token = d.t AND d.s = d.s + 0`,
      sql`EXPLAIN SELECT t.ham FROM unnest('{1}'::text::bigint[]) AS w(token)
        JOIN spam_tokens t ON t.token = w.token + 0
        AND t.scope = (SELECT id FROM spam_scopes WHERE name = '')`,
      sql`EXPLAIN SELECT token FROM spam_tokens WHERE scope = 1 AND token > 5
        ORDER BY scope, token LIMIT 10`,
    ];
    for (const plan of plans) {
      const text = (await plan).map((row) => row["QUERY PLAN"]).join("\n");
      assert.match(text, /Index (Only )?Scan using spam_tokens_pkey/);
      assert.doesNotMatch(text, /Hash Join|Merge Join|Seq Scan on spam_tokens/, text);
    }
  });
}

Deno.test("postgresSpamMemory: keeps the promises of a memory, embedded", async (test) => {
  await using embedded = await embeddedPostgres();
  await conforms(test, embedded.target);
});

Deno.test("postgresSpamMemory: keeps the promises of a memory, on Postgres", async (test) => {
  await using postgres = await startPostgres();
  if (postgres !== null) await conforms(test, { kind: "url", url: postgres.url });
});
