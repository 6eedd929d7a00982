/**
 * Work that one node does at a time: a row says who and until when, by the database's clock. No lock and
 * no transaction, since the work may take minutes and the embedded database has one session for all.
 */
import type postgres from "postgres";
import { guarded } from "./postgres_guarded.ts";

export interface LeaseOptions {
  readonly name: string;
  /** How long after a crash nobody does the work; renewed while it lasts, three times in that span. */
  readonly leaseMs: number;
}

/**
 * Runs `work` while nobody else has the lease; `null` when somebody has. A node that cannot renew for
 * `leaseMs`, because the database is away, may come to work beside another one.
 *
 * @throws {StoreUnavailableError} `work` has not begun; what `work` throws comes out as it is.
 */
export async function withLease<T>(
  sql: postgres.Sql,
  lease: LeaseOptions,
  work: () => Promise<T>,
): Promise<T | null> {
  const owner = await guarded(() => take(sql, lease));
  if (owner === null) return null;
  const renewal = setInterval(() => renew(sql, lease, owner), lease.leaseMs / 3);
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await giveBack(sql, lease.name, owner);
  }
}

async function take(sql: postgres.Sql, { name, leaseMs }: LeaseOptions): Promise<string | null> {
  const [row] = await sql<{ owner: string }[]>`
    INSERT INTO leases (name, owner, until)
    VALUES (${name}, gen_random_uuid()::text, now() + make_interval(secs => ${leaseMs / 1000}))
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
    WHERE leases.until <= now()
    RETURNING owner`;
  return row?.owner ?? null;
}

async function renew(
  sql: postgres.Sql,
  { name, leaseMs }: LeaseOptions,
  owner: string,
): Promise<void> {
  await sql`
    UPDATE leases SET until = now() + make_interval(secs => ${leaseMs / 1000})
    WHERE name = ${name} AND owner = ${owner}`.catch(afterwards);
}

async function giveBack(sql: postgres.Sql, name: string, owner: string): Promise<void> {
  await sql`DELETE FROM leases WHERE name = ${name} AND owner = ${owner}`.catch(afterwards);
}

/** A renewal is tried again, and a lease that could not be given back runs out: the work counts. */
function afterwards(): void {}
