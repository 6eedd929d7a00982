/** What people change in the directory on Postgres, and its listings; none of it is remembered. */
import type postgres from "postgres";
import { formatMailbox } from "../mail/path.ts";
import {
  type AccountSource,
  type Alias,
  type AppPassword,
  type Directory,
  DIRECTORY_PAGE,
  type DirectoryAdmin,
  type DomainChange,
  type DomainSettings,
  type LocalTransport,
  MAX_TARGETS,
  type UserChange,
  type UserListing,
  type UserName,
} from "./directory.ts";
import { formatLocalTransport, parseLocalTransport } from "./local_transport.ts";
import { guarded, isForeignKeyViolation } from "./postgres_guarded.ts";

/**
 * Does not own `sql`.
 *
 * @param options `onChange`: after whatever may have changed something, even where it failed.
 */
export function postgresDirectoryChanges(
  sql: postgres.Sql,
  options: { readonly onChange: () => void },
): Omit<DirectoryAdmin, keyof Directory | keyof AccountSource> {
  const changed = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await guarded(run);
    } finally {
      options.onChange();
    }
  };
  return {
    domains: (page) => guarded(() => domains(sql, page?.after ?? "")),
    domain: (name) => guarded(() => domain(sql, name)),
    addDomain: (name) => changed(() => addDomain(sql, name)),
    changeDomain: (name, change) => changed(() => changeDomain(sql, name, change)),
    removeDomain: (name) => changed(() => removeDomain(sql, name)),
    users: (page) => guarded(() => users(sql, page ?? {})),
    addUser: (user, hash) => changed(() => addUser(sql, user, hash)),
    changeUser: (user, change) => changed(() => changeUser(sql, user, change)),
    removeUser: (user) => changed(() => removeUser(sql, user)),
    setPassword: (user, hash) => changed(() => updateUser(sql, user, { password_hash: hash })),
    appPasswords: (user) => guarded(() => appPasswords(sql, user)),
    addAppPassword: (user, password) => changed(() => addAppPassword(sql, user, password)),
    removeAppPassword: (user, tag) => changed(() => removeAppPassword(sql, user, tag)),
    grants: (user) => guarded(() => grants(sql, user)),
    addGrant: (user, sender) => changed(() => addGrant(sql, user, sender)),
    removeGrant: (user, sender) => changed(() => removeGrant(sql, user, sender)),
    aliases: (page) => guarded(() => aliases(sql, page ?? {})),
    aliasesTo: (user) => guarded(() => aliasesTo(sql, user)),
    addAlias: (alias) => changed(() => addAlias(sql, alias)),
    removeAlias: (alias, target) => changed(() => removeAlias(sql, alias, target)),
  };
}

/** A domain's transport as the table has it. @throws when it is none. */
export function transportOf(domain: string, text: string): LocalTransport {
  const transport = parseLocalTransport(text);
  if (transport === null) throw new Error(`the database has no usable transport for ${domain}`);
  return transport;
}

async function domains(sql: postgres.Sql, after: string): Promise<readonly string[]> {
  const rows = await sql<{ name: string }[]>`
    SELECT name FROM domains WHERE name > ${after} ORDER BY name LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => row.name);
}

async function domain(sql: postgres.Sql, name: string): Promise<DomainSettings | null> {
  const [row] = await sql`
    SELECT transport, plus_addressing, when_full FROM domains WHERE name = ${name}`;
  if (row === undefined) return null;
  return {
    name,
    transport: transportOf(name, row.transport),
    hasPlusAddressing: row.plus_addressing,
    whenFull: row.when_full,
  };
}

async function addDomain(sql: postgres.Sql, name: string): Promise<boolean> {
  const { count } = await sql`INSERT INTO domains (name) VALUES (${name}) ON CONFLICT DO NOTHING`;
  return count > 0;
}

async function changeDomain(
  sql: postgres.Sql,
  name: string,
  change: DomainChange,
): Promise<boolean> {
  const columns = present({
    transport: change.transport && formatLocalTransport(change.transport),
    sealed_webhook_secret: change.sealedWebhookSecret,
    plus_addressing: change.hasPlusAddressing,
    when_full: change.whenFull,
  });
  const { count } = columns === null
    ? await sql`SELECT FROM domains WHERE name = ${name}`
    : await sql`UPDATE domains SET ${sql(columns)} WHERE name = ${name}`;
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
    if (isForeignKeyViolation(error)) return "has_users";
    throw error;
  }
}

async function users(
  sql: postgres.Sql,
  page: { domain?: string; after?: UserName },
): Promise<readonly UserListing[]> {
  const after = page.after ?? { domain: "", localPart: "" };
  const rows = await sql`
    SELECT domain, local_part, is_disabled, quota_octets::float8 AS quota_octets FROM users
    WHERE (domain, local_part) > (${after.domain}, ${after.localPart}) ${ofDomain(sql, page.domain)}
    ORDER BY domain, local_part LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => ({
    domain: row.domain,
    localPart: row.local_part,
    isDisabled: row.is_disabled,
    quotaOctets: row.quota_octets,
  }));
}

function ofDomain(sql: postgres.Sql, domain: string | undefined) {
  return domain === undefined ? sql`` : sql`AND domain = ${domain}`;
}

async function addUser(
  sql: postgres.Sql,
  user: UserName,
  hash: string,
): Promise<"added" | "exists" | "no_such_domain"> {
  return await added(
    "no_such_domain",
    sql`
    INSERT INTO users (domain, local_part, password_hash)
    VALUES (${user.domain}, ${user.localPart}, ${hash}) ON CONFLICT DO NOTHING`,
  );
}

/** `orphan`: the answer when what the row belongs to is not there. */
async function added<Orphan extends string>(
  orphan: Orphan,
  insert: PromiseLike<{ readonly count: number }>,
): Promise<"added" | "exists" | Orphan> {
  try {
    const { count } = await insert;
    return count > 0 ? "added" : "exists";
  } catch (error) {
    if (isForeignKeyViolation(error)) return orphan;
    throw error;
  }
}

async function changeUser(sql: postgres.Sql, user: UserName, change: UserChange): Promise<boolean> {
  const columns = present({
    is_disabled: change.isDisabled,
    quota_octets: change.quotaOctets,
    messages_per_hour: change.messagesPerHour,
    messages_per_day: change.messagesPerDay,
    sealed_cram_secret: change.sealedCramSecret,
  });
  return await updateUser(sql, user, columns);
}

type Columns = Readonly<Record<string, string | number | boolean | Uint8Array | null>>;

/** The columns that have a value, `null` included; `null` when there is none. */
function present(columns: Readonly<Record<string, Columns[string] | undefined>>): Columns | null {
  const entries = Object.entries(columns).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? null : Object.fromEntries(entries) as Columns;
}

async function updateUser(
  sql: postgres.Sql,
  user: UserName,
  columns: Columns | null,
): Promise<boolean> {
  const isUser = sql`domain = ${user.domain} AND local_part = ${user.localPart}`;
  const { count } = columns === null
    ? await sql`SELECT FROM users WHERE ${isUser}`
    : await sql`UPDATE users SET ${sql(columns)} WHERE ${isUser}`;
  return count > 0;
}

async function removeUser(sql: postgres.Sql, user: UserName): Promise<boolean> {
  const { count } = await sql`
    DELETE FROM users WHERE domain = ${user.domain} AND local_part = ${user.localPart}`;
  return count > 0;
}

async function appPasswords(sql: postgres.Sql, user: UserName): Promise<readonly AppPassword[]> {
  const rows = await sql`
    SELECT tag, label, created_at FROM app_passwords
    WHERE domain = ${user.domain} AND local_part = ${user.localPart}
    ORDER BY tag LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => ({
    tag: row.tag,
    label: row.label,
    createdAtMs: row.created_at.getTime(),
  }));
}

async function addAppPassword(
  sql: postgres.Sql,
  user: UserName,
  password: { readonly tag: string; readonly label: string; readonly passwordHash: string },
): Promise<"added" | "exists" | "no_such_user"> {
  const { tag, label, passwordHash } = password;
  return await added(
    "no_such_user",
    sql`
    INSERT INTO app_passwords (domain, local_part, tag, label, password_hash)
    VALUES (${user.domain}, ${user.localPart}, ${tag}, ${label}, ${passwordHash})
    ON CONFLICT DO NOTHING`,
  );
}

async function removeAppPassword(sql: postgres.Sql, user: UserName, tag: string): Promise<boolean> {
  const { count } = await sql`
    DELETE FROM app_passwords
    WHERE domain = ${user.domain} AND local_part = ${user.localPart} AND tag = ${tag}`;
  return count > 0;
}

async function grants(sql: postgres.Sql, user: UserName): Promise<readonly string[]> {
  const rows = await sql<{ sender: string }[]>`
    SELECT sender FROM sender_grants
    WHERE domain = ${user.domain} AND local_part = ${user.localPart}
    ORDER BY sender LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => row.sender);
}

async function addGrant(
  sql: postgres.Sql,
  user: UserName,
  sender: string,
): Promise<"added" | "exists" | "no_such_user"> {
  return await added(
    "no_such_user",
    sql`
    INSERT INTO sender_grants (domain, local_part, sender)
    VALUES (${user.domain}, ${user.localPart}, ${sender}) ON CONFLICT DO NOTHING`,
  );
}

async function removeGrant(sql: postgres.Sql, user: UserName, sender: string): Promise<boolean> {
  const { count } = await sql`
    DELETE FROM sender_grants
    WHERE domain = ${user.domain} AND local_part = ${user.localPart} AND sender = ${sender}`;
  return count > 0;
}

async function aliases(
  sql: postgres.Sql,
  page: { domain?: string; after?: Alias },
): Promise<readonly Alias[]> {
  const after = page.after ?? { domain: "", localPart: "", target: "" };
  const rows = await sql`
    SELECT domain, local_part, target FROM aliases
    WHERE (domain, local_part, target) > (${after.domain}, ${after.localPart}, ${after.target})
      ${ofDomain(sql, page.domain)}
    ORDER BY domain, local_part, target LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => ({
    domain: row.domain,
    localPart: row.local_part,
    target: row.target,
  }));
}

async function aliasesTo(sql: postgres.Sql, user: UserName): Promise<readonly UserName[]> {
  const rows = await sql`
    SELECT domain, local_part FROM aliases AS a
    WHERE target = ${formatMailbox(user.localPart, user.domain)} AND NOT EXISTS (
      SELECT FROM users AS u WHERE u.domain = a.domain AND u.local_part = a.local_part)
    ORDER BY domain, local_part LIMIT ${DIRECTORY_PAGE}`;
  return rows.map((row) => ({ domain: row.domain, localPart: row.local_part }));
}

async function addAlias(
  sql: postgres.Sql,
  { domain, localPart, target }: Alias,
): Promise<"added" | "exists" | "full" | "no_such_domain"> {
  const outcome = await added(
    "no_such_domain",
    sql`
    INSERT INTO aliases (domain, local_part, target)
    SELECT ${domain}, ${localPart}, ${target} WHERE ${MAX_TARGETS} > (
      SELECT count(*) FROM aliases WHERE domain = ${domain} AND local_part = ${localPart})
    ON CONFLICT DO NOTHING`,
  );
  if (outcome !== "exists") return outcome;
  const { count } = await sql`
    SELECT FROM aliases
    WHERE domain = ${domain} AND local_part = ${localPart} AND target = ${target}`;
  return count > 0 ? "exists" : "full";
}

async function removeAlias(
  sql: postgres.Sql,
  alias: UserName,
  target: string | null,
): Promise<boolean> {
  const { count } = await sql`
    DELETE FROM aliases WHERE domain = ${alias.domain} AND local_part = ${alias.localPart}
      ${target === null ? sql`` : sql`AND target = ${target}`}`;
  return count > 0;
}
