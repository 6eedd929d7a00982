/** What is to be reported to other domains, on Postgres. */
import { createHash } from "node:crypto";
import type postgres from "postgres";
import type { FeedbackBatch } from "../auth/reports/feedback.ts";
import type { CountedRow, DmarcFeedback, DueFeedback } from "./dmarc_feedback.ts";
import { inTransaction } from "./postgres_client.ts";
import { guarded } from "./postgres_guarded.ts";
import { withLease } from "./postgres_lease.ts";

const MAX_ROWS_OF_DOMAIN = 20_000;
/** Domains added in one transaction: mail has its turn in between, on the embedded database too. */
const DOMAINS_AT_ONCE = 100;
const FORGOTTEN_AT_ONCE = 500;
const LEASE = { name: "dmarc reports", leaseMs: 120_000 };
const PREPARED = { prepare: true };

/** Does not own `sql`. */
export function postgresDmarcFeedback(
  sql: postgres.Sql,
  { maxRowsOfDomain = MAX_ROWS_OF_DOMAIN }: { readonly maxRowsOfDomain?: number } = {},
): DmarcFeedback {
  return {
    add: (batches) =>
      guarded(async () => {
        for (let from = 0; from < batches.length; from += DOMAINS_AT_ONCE) {
          const some = batches.slice(from, from + DOMAINS_AT_ONCE);
          await inTransaction(sql, (tx) => add(tx, some, maxRowsOfDomain));
        }
      }),
    due: (beforeDay, limit) =>
      guarded(async () => [...await sql.unsafe<DueFeedback[]>(DUE, [beforeDay, limit], PREPARED)]),
    rows: ({ day, domain }, limit) =>
      guarded(async () => [
        ...await sql.unsafe<CountedRow[]>(ROWS, [day, domain, limit], PREPARED),
      ]),
    settle: ({ day, domain }, outcome) =>
      guarded(async () => {
        const settled = await sql.unsafe(SETTLE, [day, domain, outcome], PREPARED);
        return settled.length === 1;
      }),
    forget: (beforeDay) =>
      guarded(async () =>
        (await sql.unsafe(FORGET, [beforeDay, FORGOTTEN_AT_ONCE], PREPARED)).length
      ),
    exclusively: (work) => withLease(sql, LEASE, work),
  };
}

/** $1 domains. In one order everywhere, so that two nodes do not lock each other out. */
const ADD_DOMAINS = `
  INSERT INTO dmarc_feedback AS f (day, domain, record, is_tainted)
  SELECT day, domain, record, tainted
  FROM json_to_recordset($1::text::json) AS r(day date, domain text, record jsonb, tainted boolean)
  ORDER BY day, domain
  ON CONFLICT (day, domain) DO UPDATE
  SET record = excluded.record, is_tainted = f.is_tainted OR excluded.is_tainted
  WHERE f.outcome IS NULL`;

/**
 * $1 rows, $2 how many a domain has at the most. What is settled takes no more. Materialized: a domain's
 * rows are counted once, not for each row.
 */
const ADD_ROWS = `
  WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1::text::json) AS r(day date, domain text, fp uuid,
      messages bigint, "row" jsonb)
  ), room AS MATERIALIZED (
    SELECT f.day, f.domain, (
      SELECT count(*) FROM dmarc_feedback_rows k WHERE k.day = f.day AND k.domain = f.domain
    ) < $2::integer AS is_left
    FROM (SELECT DISTINCT day, domain FROM given) g
    JOIN dmarc_feedback f ON f.day = g.day AND f.domain = g.domain AND f.outcome IS NULL
  )
  INSERT INTO dmarc_feedback_rows AS k (day, domain, fingerprint, messages, row)
  SELECT g.day, g.domain, g.fp, g.messages, g.row
  FROM given g JOIN room ON room.day = g.day AND room.domain = g.domain
  WHERE room.is_left OR EXISTS (
    SELECT FROM dmarc_feedback_rows e
    WHERE e.day = g.day AND e.domain = g.domain AND e.fingerprint = g.fp)
  ORDER BY g.day, g.domain, g.fp
  ON CONFLICT (day, domain, fingerprint) DO UPDATE SET messages = k.messages + excluded.messages`;

const DUE = `
  SELECT to_char(day, 'YYYY-MM-DD') AS day, domain, record, is_tainted AS "isTainted"
  FROM dmarc_feedback
  WHERE outcome IS NULL AND day < $1::text::date
  ORDER BY day, domain
  LIMIT $2::integer`;

const ROWS = `
  SELECT row, messages::float8 AS messages FROM dmarc_feedback_rows
  WHERE day = $1::text::date AND domain = $2
  ORDER BY messages DESC, fingerprint
  LIMIT $3::integer`;

const SETTLE = `
  WITH settled AS (
    UPDATE dmarc_feedback SET outcome = $3
    WHERE day = $1::text::date AND domain = $2 AND outcome IS NULL
    RETURNING day, domain
  ), gone AS (
    DELETE FROM dmarc_feedback_rows k USING settled s WHERE k.day = s.day AND k.domain = s.domain
  )
  SELECT 1 FROM settled`;

const FORGET = `
  WITH old AS (
    DELETE FROM dmarc_feedback WHERE (day, domain) IN (
      SELECT day, domain FROM dmarc_feedback WHERE day < $1::text::date
      ORDER BY day, domain LIMIT $2::integer)
    RETURNING day, domain
  ), gone AS (
    DELETE FROM dmarc_feedback_rows k USING old WHERE k.day = old.day AND k.domain = old.domain
  )
  SELECT 1 FROM old`;

async function add(
  tx: postgres.TransactionSql,
  batches: readonly FeedbackBatch[],
  maxRowsOfDomain: number,
): Promise<void> {
  const domains = batches.map(({ day, domain, record, isTainted }) => ({
    day,
    domain,
    record,
    tainted: isTainted,
  }));
  const rows = batches.flatMap(({ day, domain, rows }) =>
    rows.map(({ row, messages }) => ({ day, domain, fp: fingerprint(row), messages, row }))
  );
  await tx.unsafe(ADD_DOMAINS, [json(domains)], PREPARED);
  await tx.unsafe(ADD_ROWS, [json(rows), maxRowsOfDomain], PREPARED);
}

function fingerprint(row: unknown): string {
  return createHash("sha256").update(JSON.stringify(row)).digest("hex").slice(0, 32);
}

/** JSON that Postgres can hold, see `jsonParameter` of the spool. */
function json(rows: readonly unknown[]): string {
  return JSON.stringify(
    rows,
    (_, value) =>
      typeof value === "string" ? value.replaceAll("\0", "\ufffd").toWellFormed() : value,
  );
}
