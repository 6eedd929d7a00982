import assert from "node:assert/strict";
import type postgres from "postgres";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import * as statements from "./postgres_directory_statements.ts";
import { migrate } from "./postgres_migrate.ts";

const USERS = 10_000;
/** Pages a question may touch: some levels of some indexes. */
const MAX_PAGES = 40;

/** Each with what it finds in the filled tables. */
const CALLS: Readonly<Record<string, readonly [text: string, args: string]>> = {
  named: [statements.LOOKUP, "'big.example', 'user77', NULL"],
  plus: [statements.LOOKUP, "'big.example', 'user77+tag', 'user77'"],
  aliased: [statements.LOOKUP, "'big.example', 'alias77', NULL"],
  postmaster: [statements.LOOKUP, "'big.example', 'postmaster', NULL"],
  nobody: [statements.LOOKUP, "'big.example', 'nobody', NULL"],
  mailbox: [statements.MAILBOX, "'big.example', 'user77'"],
  account: [statements.ACCOUNT, "'big.example', 'user77'"],
};

async function planOf(sql: postgres.Sql, name: string): Promise<string> {
  const rows = await sql.unsafe<{ "QUERY PLAN": string }[]>(
    `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) EXECUTE ${name}(${CALLS[name][1]})`,
  ).simple();
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

/** Pages the whole statement touched. */
function pagesOf(plan: string): number {
  const [, hit, read] = /Buffers:(?: shared)?(?: hit=(\d+))?(?: read=(\d+))?/.exec(plan) ?? [];
  return Number(hit ?? 0) + Number(read ?? 0);
}

async function fill(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    INSERT INTO domains (name) VALUES ('big.example'), ('small.example');
    INSERT INTO users (domain, local_part, password_hash, created_at)
      SELECT 'big.example', 'user' || g, 'x', to_timestamp(g) FROM generate_series(1, ${USERS}) g;
    INSERT INTO aliases (domain, local_part, target)
      SELECT 'big.example', 'alias' || g, 'user' || g || '@big.example'
      FROM generate_series(1, ${USERS}) g;
    INSERT INTO app_passwords (domain, local_part, tag, label, password_hash)
      SELECT 'big.example', 'user' || g, 'tag', '', 'x' FROM generate_series(1, ${USERS}) g;
    INSERT INTO sender_grants (domain, local_part, sender)
      SELECT 'big.example', 'user' || g, '*' FROM generate_series(1, ${USERS}) g`).simple();
}

async function findsByIndex(target: PostgresTarget): Promise<void> {
  await using sql = client(target, 1);
  await migrate(sql);
  for (const [name, [text]] of Object.entries(CALLS)) {
    await sql.unsafe(`PREPARE ${name} AS ${text}`).simple();
    await planOf(sql, name);
  }
  await fill(sql);
  for (const isAnalyzed of [false, true]) {
    if (isAnalyzed) await sql.unsafe("VACUUM ANALYZE").simple();
    for (const name of Object.keys(CALLS)) {
      const plan = await planOf(sql, name);
      assert.doesNotMatch(plan, /Seq Scan/, `${name}, ${isAnalyzed}: ${plan}`);
      const pages = pagesOf(plan);
      assert.ok(pages > 0 && pages < MAX_PAGES, `${name}, ${isAnalyzed}, ${pages} pages: ${plan}`);
    }
  }
}

Deno.test("postgresDirectory: finds rows by index, whatever size the tables were when planned", async () => {
  await using postgres = await startPostgres();
  if (postgres !== null) await findsByIndex({ kind: "url", url: postgres.url });
});

Deno.test("postgresDirectory: finds rows by index, embedded", async () => {
  await using embedded = await embeddedPostgres();
  await findsByIndex(embedded.target);
});
