/** Signing keys on Postgres; those a domain signs with are remembered while the directory is unchanged. */
import type postgres from "postgres";
import { inTransaction } from "./postgres_client.ts";
import { readDirectoryVersion } from "./postgres_directory_version.ts";
import { guarded } from "./postgres_guarded.ts";
import { KnownVersion, type KnownVersionOptions, VersionedCache } from "./versioned_cache.ts";
import type {
  SigningAlgorithm,
  SigningKey,
  SigningKeyAdmin,
  SigningKeyState,
} from "./signing_keys.ts";

/** Does not own `sql`. */
export function postgresSigningKeys(
  sql: postgres.Sql,
  options: KnownVersionOptions,
): SigningKeyAdmin {
  const version = new KnownVersion(() => readDirectoryVersion(sql), options);
  const active = new VersionedCache<readonly SigningKey[]>(version, {
    judge: (keys) => ({ isGuess: keys.length === 0, weight: 1 + keys.length }),
  });
  const changed = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await guarded(run);
    } finally {
      version.forget();
    }
  };
  return {
    activeKeys: (domain) => guarded(() => active.get(domain, () => activeKeys(sql, domain))),
    keys: (domain) => guarded(() => keys(sql, domain)),
    addKey: (key) => changed(() => inTransaction(sql, (tx) => addKey(tx, key))),
    switchKeys: (domain) => changed(() => inTransaction(sql, (tx) => switchKeys(tx, domain))),
    removeKey: (domain, selector) => changed(() => removeKey(sql, domain, selector)),
  };
}

interface KeyRow {
  readonly domain: string;
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  readonly state: SigningKeyState;
  readonly public_key: string;
  readonly sealed_private_key: Uint8Array;
  readonly created_at: Date;
  readonly state_since: Date;
}

function keyOf(row: KeyRow): SigningKey {
  return {
    domain: row.domain,
    selector: row.selector,
    algorithm: row.algorithm,
    state: row.state,
    publicKey: row.public_key,
    sealedPrivateKey: new Uint8Array(row.sealed_private_key),
    createdAtMs: row.created_at.getTime(),
    stateSinceMs: row.state_since.getTime(),
  };
}

async function activeKeys(sql: postgres.Sql, domain: string): Promise<readonly SigningKey[]> {
  const rows = await sql<KeyRow[]>`
    SELECT * FROM dkim_keys WHERE domain = ${domain} AND state = 'active' ORDER BY selector`;
  return rows.map(keyOf);
}

async function keys(sql: postgres.Sql, domain: string | null): Promise<readonly SigningKey[]> {
  const rows = await sql<KeyRow[]>`
    SELECT * FROM dkim_keys ${domain === null ? sql`` : sql`WHERE domain = ${domain}`}
    ORDER BY domain, selector`;
  return rows.map(keyOf);
}

async function addKey(
  tx: postgres.TransactionSql,
  key: Omit<SigningKey, "createdAtMs" | "stateSinceMs">,
): Promise<"added" | "exists" | "no_such_domain"> {
  if (!await lockDomain(tx, key.domain)) return "no_such_domain";
  const [alike] = await tx`
    SELECT FROM dkim_keys WHERE domain = ${key.domain} AND algorithm = ${key.algorithm}
      AND state = ${key.state} AND state <> 'retired'`;
  if (alike !== undefined) return "exists";
  const { count } = await tx`
    INSERT INTO dkim_keys (domain, selector, algorithm, state, public_key, sealed_private_key)
    VALUES (${key.domain}, ${key.selector}, ${key.algorithm}, ${key.state}, ${key.publicKey},
      ${key.sealedPrivateKey})
    ON CONFLICT DO NOTHING`;
  return count > 0 ? "added" : "exists";
}

/** One change of a domain's keys at a time: another would judge by states that are about to change. */
async function lockDomain(tx: postgres.TransactionSql, domain: string): Promise<boolean> {
  const { count } = await tx`SELECT FROM domains WHERE name = ${domain} FOR NO KEY UPDATE`;
  return count > 0;
}

/** What is active retires where a key of its algorithm waits; the other algorithm goes on signing. */
async function switchKeys(
  tx: postgres.TransactionSql,
  domain: string,
): Promise<readonly SigningKey[]> {
  await lockDomain(tx, domain);
  const rows = await tx<KeyRow[]>`
    UPDATE dkim_keys
    SET state = CASE state WHEN 'waiting' THEN 'active' ELSE 'retired' END, state_since = now()
    WHERE domain = ${domain} AND (state = 'waiting' OR state = 'active' AND algorithm IN (
      SELECT algorithm FROM dkim_keys WHERE domain = ${domain} AND state = 'waiting'))
    RETURNING *`;
  return rows.map(keyOf).filter((key) => key.state === "active")
    .sort((a, b) => a.selector < b.selector ? -1 : 1);
}

async function removeKey(sql: postgres.Sql, domain: string, selector: string): Promise<boolean> {
  const { count } = await sql`
    DELETE FROM dkim_keys WHERE domain = ${domain} AND selector = ${selector}`;
  return count > 0;
}
