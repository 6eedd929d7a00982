/**
 * The directory on Postgres. Lookups are answered from memory while the directory's version has not
 * changed, and the version is asked for at most every `versionMaxAgeMs`, by whoever looks up first then:
 * an idle worker asks nothing.
 */
import type postgres from "postgres";
import type { DirectoryAnswer } from "../routing/route.ts";
import { DIRECTORY_PAGE, type DirectoryAdmin, localPartKey, type UserName } from "./directory.ts";
import { LookupCache } from "./lookup_cache.ts";
import { asStoreError } from "./postgres_client.ts";

export interface PostgresDirectoryOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** How old a known version may be, hence how late a change is seen. */
  readonly versionMaxAgeMs?: number;
  /** Answers remembered, of either sort. */
  readonly cacheCapacity?: number;
}

const VERSION_MAX_AGE_MS = 2_000;
const CACHE_CAPACITY = 10_000;
const FOREIGN_KEY_VIOLATION = "23503";

/** Does not own `sql`. */
export function postgresDirectory(
  sql: postgres.Sql,
  options: PostgresDirectoryOptions,
): DirectoryAdmin {
  const lookups = new Lookups(sql, options);
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw asStoreError(error);
    }
  };
  const changed = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await guarded(run);
    } finally {
      lookups.forget();
    }
  };
  return {
    lookup: (domain, localPart) => guarded(() => lookups.lookup(domain, localPartKey(localPart))),
    passwordHash: (user) => guarded(() => passwordHash(sql, user)),
    domains: (page) => guarded(() => domains(sql, page?.after ?? "")),
    addDomain: (name) => changed(() => addDomain(sql, name)),
    removeDomain: (name) => changed(() => removeDomain(sql, name)),
    users: (page) => guarded(() => users(sql, page ?? {})),
    addUser: (user, hash) => changed(() => addUser(sql, user, hash)),
    removeUser: (user) => changed(() => removeUser(sql, user)),
    setPassword: (user, hash) => changed(() => setPassword(sql, user, hash)),
  };
}

class Lookups {
  readonly #sql: postgres.Sql;
  readonly #now: () => number;
  readonly #versionMaxAgeMs: number;
  readonly #cache: LookupCache;
  #version: string | null = null;
  #knownAtMs = -Infinity;
  #asking: Promise<void> | null = null;

  constructor(sql: postgres.Sql, options: PostgresDirectoryOptions) {
    this.#sql = sql;
    this.#now = options.now;
    this.#versionMaxAgeMs = options.versionMaxAgeMs ?? VERSION_MAX_AGE_MS;
    this.#cache = new LookupCache(options.cacheCapacity ?? CACHE_CAPACITY);
  }

  async lookup(domain: string, localPart: string): Promise<DirectoryAnswer> {
    if (this.#now() - this.#knownAtMs >= this.#versionMaxAgeMs) {
      this.#asking ??= this.#askVersion().finally(() => this.#asking = null);
      await this.#asking;
    }
    // No domain holds a space, so that no two questions share a key.
    const key = `${domain} ${localPart}`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const version = this.#version;
    const answer = await ask(this.#sql, { domain, localPart });
    // Not what was read before a change that has been noticed meanwhile.
    if (this.#version === version) this.#cache.set(key, answer);
    return answer;
  }

  forget(): void {
    this.#version = null;
    this.#knownAtMs = -Infinity;
    this.#cache.clear();
  }

  async #askVersion(): Promise<void> {
    const askedAtMs = this.#now();
    const [{ version }] = await this.#sql<{ version: string }[]>`
      SELECT version FROM directory_version`;
    if (version !== this.#version) this.#cache.clear();
    this.#version = version;
    this.#knownAtMs = askedAtMs;
  }
}

async function ask(sql: postgres.Sql, user: UserName): Promise<DirectoryAnswer> {
  const { domain, localPart } = user;
  const rows = await sql<{ has_user: boolean; first_user: string | null }[]>`
    SELECT
      EXISTS (SELECT 1 FROM users WHERE domain = name AND local_part = ${localPart}) AS has_user,
      (SELECT local_part FROM users WHERE domain = name
        ORDER BY created_at, local_part LIMIT 1) AS first_user
    FROM domains WHERE name = ${domain}`;
  if (rows.length === 0) return { kind: "not_local" };
  if (rows[0].has_user) return { kind: "mailbox", user: localPart };
  // RFC 5321 §4.5.1
  if (localPart === "postmaster") {
    return { kind: "mailbox", user: rows[0].first_user ?? "postmaster" };
  }
  return { kind: "no_such_user" };
}

async function passwordHash(sql: postgres.Sql, user: UserName): Promise<string | null> {
  const rows = await sql<{ password_hash: string }[]>`
    SELECT password_hash FROM users
    WHERE domain = ${user.domain} AND local_part = ${user.localPart}`;
  return rows[0]?.password_hash ?? null;
}

async function domains(sql: postgres.Sql, after: string): Promise<readonly string[]> {
  const rows = await sql<{ name: string }[]>`
    SELECT name FROM domains WHERE name > ${after} ORDER BY name LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => row.name);
}

async function addDomain(sql: postgres.Sql, name: string): Promise<boolean> {
  const { count } = await sql`INSERT INTO domains (name) VALUES (${name}) ON CONFLICT DO NOTHING`;
  return count > 0;
}

async function removeDomain(
  sql: postgres.Sql,
  name: string,
): Promise<"removed" | "no_such_domain" | "has_users"> {
  try {
    const { count } = await sql`DELETE FROM domains WHERE name = ${name}`;
    return count > 0 ? "removed" : "no_such_domain";
  } catch (error) {
    if ((error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION) return "has_users";
    throw error;
  }
}

async function users(
  sql: postgres.Sql,
  page: { domain?: string; after?: UserName },
): Promise<readonly UserName[]> {
  const after = page.after ?? { domain: "", localPart: "" };
  const rows = await sql<{ domain: string; local_part: string }[]>`
    SELECT domain, local_part FROM users
    WHERE (domain, local_part) > (${after.domain}, ${after.localPart})
      AND (${page.domain ?? null}::text IS NULL OR domain = ${page.domain ?? null})
    ORDER BY domain, local_part LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => ({ domain: row.domain, localPart: row.local_part }));
}

async function addUser(
  sql: postgres.Sql,
  user: UserName,
  hash: string,
): Promise<"added" | "exists" | "no_such_domain"> {
  try {
    const { count } = await sql`
      INSERT INTO users (domain, local_part, password_hash)
      VALUES (${user.domain}, ${user.localPart}, ${hash}) ON CONFLICT DO NOTHING`;
    return count > 0 ? "added" : "exists";
  } catch (error) {
    if ((error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION) return "no_such_domain";
    throw error;
  }
}

async function removeUser(sql: postgres.Sql, user: UserName): Promise<boolean> {
  const { count } = await sql`
    DELETE FROM users WHERE domain = ${user.domain} AND local_part = ${user.localPart}`;
  return count > 0;
}

async function setPassword(sql: postgres.Sql, user: UserName, hash: string): Promise<boolean> {
  const { count } = await sql`
    UPDATE users SET password_hash = ${hash}
    WHERE domain = ${user.domain} AND local_part = ${user.localPart}`;
  return count > 0;
}
