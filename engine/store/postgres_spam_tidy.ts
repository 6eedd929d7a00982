/** Forgets what spam scoring has not met for long: walks the tables by their keys, some thousand rows at a time. */
import type postgres from "postgres";
import { inTransaction } from "./postgres_client.ts";
import type { TidyOptions } from "./spam_memory.ts";

const PAGE = 5_000;
const DAY_MS = 86_400_000;
/** Room for mail in between: a page is rested from so many times as long as it took. */
const REST = 4;
const FIRST_FINGERPRINT = "00000000-0000-0000-0000-000000000000";
const LAST_FINGERPRINT = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const MAX_BIGINT = "9223372036854775807";

interface Days {
  readonly rareTokens: number;
  readonly tokens: number;
  readonly fingerprints: number;
}

interface Page {
  /** The last key looked at; `null` when there are no more. */
  readonly last: string | null;
  readonly forgotten: number;
}

export async function tidySpamMemory(
  sql: postgres.Sql,
  options: TidyOptions & { readonly signal: AbortSignal },
): Promise<number> {
  const { nowMs, signal } = options;
  const dayBefore = (ageMs: number) => Math.max(0, Math.floor((nowMs - ageMs) / DAY_MS));
  const days: Days = {
    rareTokens: dayBefore(options.rareTokensMs),
    tokens: dayBefore(options.tokensMs),
    fingerprints: dayBefore(options.fingerprintsMs),
  };
  const scopes = await sql<{ id: number }[]>`SELECT id FROM spam_scopes ORDER BY id`;
  let forgotten = 0;
  for (const { id } of scopes) {
    for (
      const [forgetPage, first] of [[tokenPage, "0"], [fingerprintPage, FIRST_FINGERPRINT]] as const
    ) {
      for (let after: string | null = first; after !== null && !signal.aborted;) {
        const startedMs = performance.now();
        const page: Page = await forgetPage(sql, { scope: id, after, days });
        forgotten += page.forgotten;
        after = page.last;
        if (after !== null) await rest(REST * (performance.now() - startedMs), signal);
      }
    }
  }
  return forgotten;
}

interface PageStart {
  readonly scope: number;
  readonly after: string;
  readonly days: Days;
}

function tokenPage(sql: postgres.Sql, { scope, after, days }: PageStart): Promise<Page> {
  return inTransaction(sql, async (tx) => {
    await tx`SELECT FROM spam_scopes WHERE id = ${scope} FOR UPDATE`;
    const [end] = await tx<{ token: string }[]>`
      SELECT token FROM spam_tokens WHERE scope = ${scope} AND token > ${after}::bigint
      ORDER BY scope, token OFFSET ${PAGE - 1} LIMIT 1`;
    const last = end?.token ?? null;
    const { count: forgotten } = await tx`
      DELETE FROM spam_tokens
      WHERE scope = ${scope} AND token > ${after}::bigint AND token <= ${last ?? MAX_BIGINT}::bigint
        AND day < CASE WHEN ham + spam <= 1 THEN ${days.rareTokens}::integer
          ELSE ${days.tokens}::integer END`;
    if (forgotten > 0) await changed(tx, scope);
    return { last, forgotten };
  });
}

function fingerprintPage(sql: postgres.Sql, { scope, after, days }: PageStart): Promise<Page> {
  return inTransaction(sql, async (tx) => {
    await tx`SELECT FROM spam_scopes WHERE id = ${scope} FOR UPDATE`;
    const [end] = await tx<{ fingerprint: string }[]>`
      SELECT fingerprint FROM spam_learned WHERE scope = ${scope} AND fingerprint > ${after}::uuid
      ORDER BY scope, fingerprint OFFSET ${PAGE - 1} LIMIT 1`;
    const last = end?.fingerprint ?? null;
    const { count: forgotten } = await tx`
      DELETE FROM spam_learned
      WHERE scope = ${scope} AND fingerprint > ${after}::uuid
        AND fingerprint <= ${
      last ?? LAST_FINGERPRINT
    }::uuid AND day < ${days.fingerprints}::integer`;
    return { last, forgotten };
  });
}

async function changed(tx: postgres.TransactionSql, scope: number): Promise<void> {
  await tx`UPDATE spam_scopes SET version = version + 1 WHERE id = ${scope}`;
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
