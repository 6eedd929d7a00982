/** Certificates, ACME accounts and challenges on Postgres. */
import type postgres from "postgres";
import type { AcmeAccount, CertificateStore, StoredCertificate } from "./certificates.ts";
import { readDirectoryVersion } from "./postgres_directory_version.ts";
import { guarded } from "./postgres_guarded.ts";
import { withLease } from "./postgres_lease.ts";

const LEASE_MS = 120_000;

/**
 * Does not own `sql`.
 *
 * @param options `leaseMs`: how long nobody else issues certificates after the node that did has crashed.
 */
export function postgresCertificates(
  sql: postgres.Sql,
  options: { readonly leaseMs?: number } = {},
): CertificateStore {
  const lease = { name: "certificates", leaseMs: options.leaseMs ?? LEASE_MS };
  return {
    certificates: () => guarded(() => certificates(sql)),
    put: (certificate) => guarded(() => put(sql, certificate)),
    remove: (name) => guarded(() => remove(sql, name)),
    version: () => guarded(() => readDirectoryVersion(sql)),
    account: (directoryUrl) => guarded(() => account(sql, directoryUrl)),
    putAccount: (account) => guarded(() => putAccount(sql, account)),
    putChallenge: (token, answer) => guarded(() => putChallenge(sql, token, answer)),
    challenge: (token) => guarded(() => challenge(sql, token)),
    removeChallenge: (token) => guarded(() => removeChallenge(sql, token)),
    exclusively: (work) => withLease(sql, lease, work),
  };
}

async function certificates(sql: postgres.Sql): Promise<readonly StoredCertificate[]> {
  const rows = await sql`
    SELECT name, source, chain, sealed_private_key, not_after, fault, retry_at
    FROM certificates ORDER BY name`;
  return rows.map((row) => ({
    name: row.name,
    source: row.source,
    chain: row.chain,
    sealedPrivateKey: row.sealed_private_key && new Uint8Array(row.sealed_private_key),
    notAfterMs: row.not_after?.getTime() ?? null,
    fault: row.fault,
    retryAtMs: row.retry_at?.getTime() ?? null,
  }));
}

async function put(sql: postgres.Sql, certificate: StoredCertificate): Promise<void> {
  const { name, source, chain, sealedPrivateKey, notAfterMs, fault, retryAtMs } = certificate;
  await sql`
    INSERT INTO certificates (name, source, chain, sealed_private_key, not_after, fault, retry_at)
    VALUES (${name}, ${source}, ${chain}, ${sealedPrivateKey},
      to_timestamp(${notAfterMs}::float8 / 1000), ${fault},
      to_timestamp(${retryAtMs}::float8 / 1000))
    ON CONFLICT (name) DO UPDATE SET source = excluded.source, chain = excluded.chain,
      sealed_private_key = excluded.sealed_private_key, not_after = excluded.not_after,
      fault = excluded.fault, retry_at = excluded.retry_at`;
}

async function remove(sql: postgres.Sql, name: string): Promise<boolean> {
  const { count } = await sql`DELETE FROM certificates WHERE name = ${name}`;
  return count > 0;
}

async function account(sql: postgres.Sql, directoryUrl: string): Promise<AcmeAccount | null> {
  const [row] = await sql`
    SELECT account_url, sealed_private_key FROM acme_accounts
    WHERE directory_url = ${directoryUrl}`;
  if (row === undefined) return null;
  const sealedPrivateKey = new Uint8Array(row.sealed_private_key);
  return { directoryUrl, accountUrl: row.account_url, sealedPrivateKey };
}

async function putAccount(sql: postgres.Sql, account: AcmeAccount): Promise<void> {
  await sql`
    INSERT INTO acme_accounts (directory_url, account_url, sealed_private_key)
    VALUES (${account.directoryUrl}, ${account.accountUrl}, ${account.sealedPrivateKey})
    ON CONFLICT (directory_url) DO UPDATE SET account_url = excluded.account_url,
      sealed_private_key = excluded.sealed_private_key`;
}

async function putChallenge(sql: postgres.Sql, token: string, answer: string): Promise<void> {
  // What a crash left behind goes now.
  await sql`
    WITH old AS (
      DELETE FROM acme_challenges WHERE created_at < now() - interval '1 day' AND token <> ${token}
    )
    INSERT INTO acme_challenges (token, key_authorization) VALUES (${token}, ${answer})
    ON CONFLICT (token) DO UPDATE SET key_authorization = excluded.key_authorization,
      created_at = excluded.created_at`;
}

async function challenge(sql: postgres.Sql, token: string): Promise<string | null> {
  const [row] = await sql<{ key_authorization: string }[]>`
    SELECT key_authorization FROM acme_challenges
    WHERE token = ${token} AND created_at >= now() - interval '1 day'`;
  return row?.key_authorization ?? null;
}

async function removeChallenge(sql: postgres.Sql, token: string): Promise<void> {
  await sql`DELETE FROM acme_challenges WHERE token = ${token}`;
}
