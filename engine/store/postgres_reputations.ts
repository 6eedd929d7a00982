/** Reputations on Postgres: a batch is one statement, and its rows are taken in one order by everybody. */
import type postgres from "postgres";
import { guarded } from "./postgres_guarded.ts";
import type { ReputationChange, ReputationStore, StoredReputation } from "./reputations.ts";

const PAGE = 5_000;
/** Of a count that has faded so far nothing is left, and the database can still compute it. */
const MAX_HALF_LIVES = 60;
const NOTHING = 0.001;

/** Does not own `sql`. */
export function postgresReputations(sql: postgres.Sql): ReputationStore {
  return {
    read: (subjects) => guarded(() => read(sql, subjects)),
    add: (changes, options) => guarded(() => add(sql, changes, options)),
    forget: (options) => guarded(() => forget(sql, options)),
  };
}

async function read(
  sql: postgres.Sql,
  subjects: readonly string[],
): Promise<readonly StoredReputation[]> {
  const rows = await sql`
    SELECT subject, ham, spam, updated_at FROM sender_reputations
    WHERE subject IN (SELECT json_array_elements_text(${JSON.stringify(subjects)}::text::json))`;
  return rows.map(({ subject, ham, spam, updated_at }) => ({
    subject,
    ham,
    spam,
    updatedAtMs: updated_at.getTime(),
  }));
}

async function add(
  sql: postgres.Sql,
  changes: readonly ReputationChange[],
  { atMs, halfLifeMs }: { readonly atMs: number; readonly halfLifeMs: number },
): Promise<void> {
  if (changes.length === 0) return;
  const sorted = changes.toSorted((a, b) => a.subject < b.subject ? -1 : 1);
  const rows = sorted.map(({ subject, ham, spam }) => ({ s: subject, h: ham, p: spam }));
  const left = (count: "ham" | "spam") =>
    sql`
      CASE WHEN r.${sql(count)} < ${NOTHING}::float8 THEN 0 ELSE r.${
      sql(count)
    } END * power(0.5::float8,
        least(${MAX_HALF_LIVES}::float8, greatest(0, extract(epoch FROM excluded.updated_at - r.updated_at)::float8
          * 1000 / ${halfLifeMs}::float8)))`;
  await sql`
    INSERT INTO sender_reputations AS r (subject, ham, spam, updated_at)
    SELECT s, h, p, to_timestamp(${atMs}::float8 / 1000)
    FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS c(s text, h float8, p float8)
    ON CONFLICT (subject) DO UPDATE SET
      ham = ${left("ham")} + excluded.ham,
      spam = ${left("spam")} + excluded.spam,
      updated_at = greatest(r.updated_at, excluded.updated_at)`;
}

/** Skips what is being changed: nobody waits for it, and it is not old any more. */
async function forget(
  sql: postgres.Sql,
  { beforeMs, signal }: { readonly beforeMs: number; readonly signal: AbortSignal },
): Promise<number> {
  let forgotten = 0;
  for (let after: string | null = ""; after !== null && !signal.aborted;) {
    const end: string | null = await endOfPage(sql, after);
    const { count } = await sql`
      DELETE FROM sender_reputations WHERE subject IN (
        SELECT subject FROM sender_reputations
        WHERE subject > ${after} AND (${end}::text IS NULL OR subject <= ${end}::text)
          AND updated_at < to_timestamp(${beforeMs}::float8 / 1000)
        ORDER BY subject FOR UPDATE SKIP LOCKED
      )`;
    forgotten += count;
    after = end;
  }
  return forgotten;
}

/** The last subject of the page behind `after`; `null` when there is no further page. */
async function endOfPage(sql: postgres.Sql, after: string): Promise<string | null> {
  const [end] = await sql<{ subject: string }[]>`
    SELECT subject FROM sender_reputations WHERE subject > ${after}
    ORDER BY subject OFFSET ${PAGE - 1} LIMIT 1`;
  return end?.subject ?? null;
}
