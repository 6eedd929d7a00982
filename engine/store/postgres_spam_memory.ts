/**
 * What was learnt of good and of bad mail, on Postgres. Whoever changes a scope holds its row, so changes of one
 * scope come one after the other, and readers wait for nobody. Pages of tokens come packed into one value: row by
 * row they would take the client library a hundred times as long.
 */
import { Buffer } from "node:buffer";
import type postgres from "postgres";
import {
  type LearningPlan,
  markKey,
  planLearning,
  type TokenChange,
  type Told,
} from "./learning_plan.ts";
import { inTransaction } from "./postgres_client.ts";
import { guarded } from "./postgres_guarded.ts";
import { tidySpamMemory } from "./postgres_spam_tidy.ts";
import type {
  LearnedScope,
  LessonOutcome,
  MailLabel,
  SpamMemory,
  TokenCounts,
  TokenPageOptions,
} from "./spam_memory.ts";

/** What one transaction learns: others wait for it, on the embedded database everybody does. */
const MAX_MESSAGES = 50;
const MAX_TOKENS = 2_500;
const PACKED_OCTETS = 16;
const DAY_MS = 86_400_000;

/** Does not own `sql`. @param options `now`: Unix ms. */
export function postgresSpamMemory(
  sql: postgres.Sql,
  options: { readonly now: () => number },
): SpamMemory {
  const { now } = options;
  const tell = async (lessons: readonly Told[]) => {
    const outcomes: LessonOutcome[] = [];
    for (const batch of batches(lessons)) {
      outcomes.push(...await guarded(() => tellBatch(sql, batch, now())));
    }
    return outcomes;
  };
  return {
    learn: tell,
    forget: async (lessons) => {
      const outcomes = await tell(lessons.map((lesson) => ({ ...lesson, label: null })));
      return outcomes.filter((outcome) => outcome === "moved").length;
    },
    clear: (scope) => guarded(() => clear(sql, scope)),
    scopes: () => guarded(() => scopes(sql)),
    tokenCount: (scope) => guarded(() => tokenCount(sql, scope)),
    page: (scope, options) => guarded(() => page(sql, scope, options)),
    countsOf: (scope, tokens) => guarded(() => countsOf(sql, scope, tokens)),
    tidy: (options) => guarded(() => tidySpamMemory(sql, options)),
  };
}

function* batches(lessons: readonly Told[]): Generator<readonly Told[]> {
  let batch: Told[] = [];
  let tokens = 0;
  for (const lesson of lessons) {
    const more = lesson.tokens.length * lesson.scopes.length;
    if (batch.length > 0 && (batch.length >= MAX_MESSAGES || tokens + more > MAX_TOKENS)) {
      yield batch;
      batch = [];
      tokens = 0;
    }
    batch.push(lesson);
    tokens += more;
  }
  if (batch.length > 0) yield batch;
}

async function tellBatch(
  sql: postgres.Sql,
  lessons: readonly Told[],
  nowMs: number,
): Promise<readonly LessonOutcome[]> {
  const names = [...new Set(lessons.flatMap(({ scopes }) => scopes))].sort();
  await makeScopes(sql, names);
  return await inTransaction(sql, async (tx) => {
    const ids = await lockScopes(tx, names);
    const plan = planLearning(lessons, await known(tx, lessons, ids));
    await write(tx, plan, { ids, day: Math.floor(nowMs / DAY_MS), nowMs });
    return plan.outcomes;
  });
}

/** Reads first: an insert that finds its row there would use up a number each time. */
async function makeScopes(sql: postgres.Sql, names: readonly string[]): Promise<void> {
  await sql`
    INSERT INTO spam_scopes (name)
    SELECT name FROM json_array_elements_text(${JSON.stringify(names)}::text::json) AS n(name)
    WHERE NOT EXISTS (SELECT FROM spam_scopes s WHERE s.name = n.name)
    ORDER BY name
    ON CONFLICT DO NOTHING`;
}

type ScopeIds = ReadonlyMap<string, number>;

async function lockScopes(
  tx: postgres.TransactionSql,
  names: readonly string[],
): Promise<ScopeIds> {
  const rows = await tx<{ id: number; name: string }[]>`
    SELECT id, name FROM spam_scopes
    WHERE name IN (SELECT json_array_elements_text(${JSON.stringify(names)}::text::json))
    ORDER BY id FOR UPDATE`;
  return new Map(rows.map(({ id, name }) => [name, id]));
}

async function known(
  tx: postgres.TransactionSql,
  lessons: readonly Told[],
  ids: ScopeIds,
): Promise<ReadonlyMap<string, MailLabel>> {
  const names = new Map(Array.from(ids, ([name, id]) => [id, name]));
  const wanted = lessons.flatMap(({ fingerprint, scopes }) =>
    scopes.map((scope) => ({ fingerprint, scope: ids.get(scope)! }))
  );
  const rows = await tx<{ fingerprint: string; scope: number; is_spam: boolean }[]>`
    SELECT l.fingerprint, l.scope, l.is_spam
    FROM unnest(${list(wanted.map(({ scope }) => scope))}::text::integer[],
      ${list(wanted.map(({ fingerprint }) => fingerprint))}::text::uuid[]) AS w(scope, fingerprint)
    JOIN spam_learned l ON l.scope = w.scope + 0 AND l.fingerprint = w.fingerprint`;
  return new Map(rows.map(({ fingerprint, scope, is_spam }) => [
    markKey({ fingerprint: fingerprint.replaceAll("-", ""), scope: names.get(scope)! }),
    is_spam ? "spam" : "ham",
  ]));
}

async function write(
  tx: postgres.TransactionSql,
  plan: LearningPlan,
  context: { readonly ids: ScopeIds; readonly day: number; readonly nowMs: number },
): Promise<void> {
  const { ids, day, nowMs } = context;
  const { marks, messages, added, taken } = plan;
  if (marks.length === 0) return;
  const kept = marks.filter(({ label }) => label !== null);
  const gone = marks.filter(({ label }) => label === null);
  if (kept.length > 0) {
    await tx`
      INSERT INTO spam_learned (scope, fingerprint, is_spam, day)
      SELECT s, f, b, ${day}::smallint
      FROM unnest(${list(kept.map(({ scope }) => ids.get(scope)!))}::text::integer[],
        ${list(kept.map(({ fingerprint }) => fingerprint))}::text::uuid[],
        ${list(kept.map(({ label }) => label === "spam"))}::text::boolean[]) AS k(s, f, b)
      ON CONFLICT (scope, fingerprint) DO UPDATE SET is_spam = excluded.is_spam, day = excluded.day`;
  }
  if (gone.length > 0) {
    await tx`
      DELETE FROM spam_learned l
      USING unnest(${list(gone.map(({ scope }) => ids.get(scope)!))}::text::integer[],
        ${list(gone.map(({ fingerprint }) => fingerprint))}::text::uuid[]) AS g(s, f)
      WHERE l.scope = g.s AND l.fingerprint = g.f AND g.s = g.s + 0`;
  }
  if (taken.length > 0) {
    const [scopes, tokens, ham, spam] = columns(taken, ids);
    await tx`
      UPDATE spam_tokens t
      SET ham = greatest(0, t.ham - d.h), spam = greatest(0, t.spam - d.p), day = ${day}::smallint
      FROM unnest(${scopes}::text::integer[], ${tokens}::text::bigint[], ${ham}::text::integer[],
        ${spam}::text::integer[]) AS d(s, t, h, p)
      WHERE t.scope = d.s AND t.token = d.t AND d.s = d.s + 0`;
  }
  if (added.length > 0) {
    const [scopes, tokens, ham, spam] = columns(added, ids);
    await tx`
      INSERT INTO spam_tokens (scope, token, ham, spam, day)
      SELECT s, t, h, p, ${day}::smallint
      FROM unnest(${scopes}::text::integer[], ${tokens}::text::bigint[], ${ham}::text::integer[],
        ${spam}::text::integer[]) AS d(s, t, h, p)
      ON CONFLICT (scope, token) DO UPDATE SET ham = spam_tokens.ham + excluded.ham,
        spam = spam_tokens.spam + excluded.spam, day = excluded.day`;
  }
  const changed = [...messages];
  await tx`
    UPDATE spam_scopes s
    SET ham = greatest(0, s.ham + c.h), spam = greatest(0, s.spam + c.p), version = s.version + 1,
      learned_at = to_timestamp(${nowMs}::float8 / 1000)
    FROM unnest(${list(changed.map(([scope]) => ids.get(scope)!))}::text::integer[],
      ${list(changed.map(([, { ham }]) => ham))}::text::integer[],
      ${list(changed.map(([, { spam }]) => spam))}::text::integer[]) AS c(i, h, p)
    WHERE s.id = c.i`;
}

function columns(changes: readonly TokenChange[], ids: ScopeIds): readonly string[] {
  return [
    list(changes.map(({ scope }) => ids.get(scope)!)),
    list(changes.map(({ token }) => token)),
    list(changes.map(({ ham }) => ham)),
    list(changes.map(({ spam }) => spam)),
  ];
}

/** An array literal of values that need no quotes. */
function list(values: ArrayLike<string | number | boolean>): string {
  return `{${Array.prototype.join.call(values, ",")}}`;
}

async function clear(sql: postgres.Sql, scope: string): Promise<void> {
  await inTransaction(sql, async (tx) => {
    const id = (await lockScopes(tx, [scope])).get(scope);
    if (id === undefined) return;
    await tx`DELETE FROM spam_tokens WHERE scope = ${id}`;
    await tx`DELETE FROM spam_learned WHERE scope = ${id}`;
    await tx`
      UPDATE spam_scopes SET ham = 0, spam = 0, version = version + 1, learned_at = NULL
      WHERE id = ${id}`;
  });
}

async function scopes(sql: postgres.Sql): Promise<readonly LearnedScope[]> {
  const rows = await sql`
    SELECT name, ham, spam, version, learned_at FROM spam_scopes ORDER BY name`;
  return rows.map(({ name, ham, spam, version, learned_at }) => ({
    scope: name,
    messages: { ham, spam },
    version,
    learnedAtMs: learned_at?.getTime() ?? null,
  }));
}

async function tokenCount(sql: postgres.Sql, scope: string): Promise<number> {
  const [{ count }] = await sql<[{ count: number }]>`
    SELECT count(*)::integer AS count FROM spam_tokens
    WHERE scope = (SELECT id FROM spam_scopes WHERE name = ${scope})`;
  return count;
}

interface PackedRow {
  readonly packed: Uint8Array | null;
}

async function page(
  sql: postgres.Sql,
  scope: string,
  { after, minMessages, limit }: TokenPageOptions,
): Promise<TokenCounts> {
  const [{ packed }] = await sql<[PackedRow]>`
    SELECT string_agg(int8send(token) || int4send(ham) || int4send(spam), ''::bytea ORDER BY token)
      AS packed
    FROM (
      SELECT token, ham, spam FROM spam_tokens
      WHERE scope = (SELECT id FROM spam_scopes WHERE name = ${scope})
        AND token > ${String(after)}::bigint AND ham + spam >= ${minMessages}
      ORDER BY scope, token LIMIT ${limit}
    ) p`;
  return unpack(packed);
}

async function countsOf(
  sql: postgres.Sql,
  scope: string,
  tokens: Float64Array,
): Promise<TokenCounts> {
  const [{ packed }] = await sql<[PackedRow]>`
    SELECT string_agg(int8send(t.token) || int4send(t.ham) || int4send(t.spam), ''::bytea
      ORDER BY t.token) AS packed
    FROM unnest(${list(tokens)}::text::bigint[]) AS w(token)
    JOIN spam_tokens t ON t.token = w.token + 0
      AND t.scope = (SELECT id FROM spam_scopes WHERE name = ${scope})`;
  return unpack(packed);
}

function unpack(packed: Uint8Array | null): TokenCounts {
  const view = packed === null
    ? Buffer.alloc(0)
    : Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  const length = view.length / PACKED_OCTETS;
  const tokens = new Float64Array(length);
  const ham = new Uint32Array(length);
  const spam = new Uint32Array(length);
  for (let row = 0, at = 0; row < length; row++, at += PACKED_OCTETS) {
    tokens[row] = view.readUInt32BE(at) * 2 ** 32 + view.readUInt32BE(at + 4);
    ham[row] = view.readUInt32BE(at + 8);
    spam[row] = view.readUInt32BE(at + 12);
  }
  return { tokens, ham, spam };
}
