import assert from "node:assert/strict";
import type postgres from "postgres";
import { client } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { deliveryId, QUEUE_EPOCH_MS, queueIdFromDecimal } from "../mail/queue_id.ts";
import { migrate } from "./postgres_migrate.ts";
import { postgresSpool } from "./postgres_spool.ts";
import * as quarantine from "./postgres_quarantine_statements.ts";
import * as statements from "./postgres_spool_statements.ts";
import { attempt } from "./spool_conformance.ts";

const DELIVERIES = 250_000;
/** One in so many is unfinished. */
const UNFINISHED = 5;
const NOW_MS = QUEUE_EPOCH_MS + 3_600_000;
const FIRST = 1000n << 22n;

/** The first of those in quarantine. */
const HELD_ONE = String(FIRST + 1n);

const decimals = (count: number) =>
  Array.from({ length: count }, (_, i) => String(FIRST + BigInt(i * UNFINISHED)));

/** Statements as SQL, with arguments of the size they have at work. */
const CALLS: Readonly<Record<string, readonly [text: string, args: readonly unknown[]]>> = {
  claim: [statements.CLAIM, [
    `{${decimals(512)}}`,
    `{${Array(512).fill(0)}}`,
    "w",
    NOW_MS,
    NOW_MS + 900_000,
  ]],
  settle: [statements.SETTLE, [
    JSON.stringify(
      decimals(500).map((id) => ({
        id,
        n: 0,
        oc: "failed",
        sa: 1,
        ea: 2,
        tls: false,
        es: "",
        di: "",
      })),
    ),
    "w",
  ]],
  pending: [statements.PENDING, ["0", -1, NOW_MS, 2000]],
  depth: [statements.DEPTH, []],
  abandon: [statements.ABANDON, ["node/"]],
  read: [statements.READ_BODIES, [`{${decimals(100)}}`]],
  existing: [statements.EXISTING_MESSAGES, [`{${decimals(3)}}`]],
  forget: [statements.FORGET, [String(FIRST + 1000n)]],
  list_held: [quarantine.LIST, [null, null, null, String(FIRST + 50_000n), 100]],
  list_by_recipient: [quarantine.LIST, ["@there.test", null, null, null, 100]],
  show_held: [quarantine.SHOW, [HELD_ONE]],
  read_held: [quarantine.READ, [HELD_ONE]],
  release: [quarantine.RELEASE, [`{${HELD_ONE}}`, NOW_MS]],
  discard: [quarantine.DISCARD, [`{${HELD_ONE}}`, NOW_MS]],
  expire: [quarantine.EXPIRE, [NOW_MS, 500]],
};

function literal(value: unknown): string {
  if (value === null) return "NULL";
  return typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}

async function planOf(sql: postgres.Sql, name: string): Promise<string> {
  const args = CALLS[name][1].map(literal).join(", ");
  await sql.unsafe("BEGIN").simple();
  const rows = await sql.unsafe<{ "QUERY PLAN": string }[]>(
    `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE ${name}${args === "" ? "" : `(${args})`}`,
  ).simple();
  await sql.unsafe("ROLLBACK").simple();
  return rows.map((row) => row["QUERY PLAN"]).join("\n");
}

/** Fills the tables with one delivery a message, some of them unfinished, and one in twenty held. */
async function fill(sql: postgres.Sql): Promise<void> {
  const dueAt = `to_timestamp(${(NOW_MS - 60_000) / 1000})`;
  await sql.unsafe(`
    INSERT INTO messages SELECT ${FIRST} + g, ${dueAt}, 'ann@here.test', '7bit', false, '192.0.2.1',
      'client.test', 'ESMTP', 2048 FROM generate_series(0, ${DELIVERIES - 1}) g`);
  await sql.unsafe(`
    INSERT INTO deliveries (message_id, recipient, forward_path, transport, destination, state,
      next_attempt_at, finished_at)
    SELECT ${FIRST} + g, 0, 'bob@there.test', 'smtp', 'there.test',
      CASE WHEN g % ${UNFINISHED} = 0 THEN 'queued' WHEN g % 20 = 1 THEN 'held' ELSE 'delivered' END,
      ${dueAt},
      CASE WHEN g % ${UNFINISHED} = 0 THEN NULL WHEN g % 20 = 1 THEN 'infinity' ELSE ${dueAt} END
    FROM generate_series(0, ${DELIVERIES - 1}) g`);
  await sql.unsafe(`
    INSERT INTO quarantine (message_id, recipients, reason, explanation, until)
    SELECT ${FIRST} + g, 1, 'spam', 'because', to_timestamp(${NOW_MS / 1000} + g % 10000 - 1000)
    FROM generate_series(1, ${DELIVERIES - 1}, 20) g`);
}

Deno.test("postgresSpool: finds rows by index, whatever size the tables were when planned", async () => {
  await using server = await startPostgres();
  if (server === null) return;
  await using sql = client({ kind: "url", url: server.url }, 1);
  await migrate(sql);
  for (const name of Object.keys(CALLS)) {
    await sql.unsafe(`PREPARE ${name} AS ${CALLS[name][0]}`).simple();
    await planOf(sql, name);
  }
  await fill(sql);
  for (const isAnalyzed of [false, true]) {
    if (isAnalyzed) await sql.unsafe("VACUUM ANALYZE messages, deliveries, quarantine").simple();
    for (const name of Object.keys(CALLS)) {
      const plan = await planOf(sql, name);
      assert.doesNotMatch(plan, /Seq Scan/, `${name}, ${isAnalyzed}: ${plan}`);
    }
  }
  // A message's deliveries by recipient, not all of them for each.
  const byRecipient = /Index Cond: \(\(message_id = \S+\) AND \(recipient = /;
  assert.match(await planOf(sql, "claim"), byRecipient);
  assert.match(await planOf(sql, "settle"), byRecipient);
});

Deno.test("postgresSpool: a claim updates in place (HOT), and attempts pile up nowhere else", async () => {
  await using server = await startPostgres();
  if (server === null) return;
  await using sql = client({ kind: "url", url: server.url }, 1);
  await migrate(sql);
  await fill(sql);
  const spool = postgresSpool(sql);
  const ids = decimals(10_000).map((decimal) => deliveryId(queueIdFromDecimal(decimal), 0));
  for (let from = 0; from < ids.length; from += 500) {
    const some = ids.slice(from, from + 500);
    await spool.claim(some, { owner: "w", nowMs: NOW_MS, untilMs: NOW_MS + 900_000 });
  }
  await sql`SELECT pg_stat_force_next_flush()`;
  const [claims] = await sql`
    SELECT n_tup_upd::integer AS all, n_tup_hot_upd::integer AS hot
    FROM pg_stat_user_tables WHERE relname = 'deliveries'`;
  assert.equal(claims.all, ids.length);
  assert.ok(claims.hot > 0.99 * claims.all, `${claims.hot} of ${claims.all}`);
  const settlements = ids.slice(0, 500).map((id) => ({
    id,
    outcome: "delivered" as const,
    attempt: attempt(),
  }));
  await spool.settle(settlements, { owner: "w", reports: [] });
  const [{ attempts }] = await sql`SELECT count(*)::integer AS attempts FROM attempts`;
  assert.equal(attempts, 500);
});
