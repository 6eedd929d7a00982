/**
 * The directory on Postgres: what is asked while mail flows, answered from memory while the directory's
 * version has not changed. What people change is in `postgres_directory_admin.ts`.
 */
import type postgres from "postgres";
import type { DirectoryAnswer } from "../routing/route.ts";
import {
  type Account,
  type DirectoryAdmin,
  localPartKey,
  type MailboxSettings,
  MAX_TARGETS,
  type UserName,
} from "./directory.ts";
import { postgresDirectoryChanges, transportOf } from "./postgres_directory_admin.ts";
import * as statements from "./postgres_directory_statements.ts";
import { readDirectoryVersion } from "./postgres_directory_version.ts";
import { guarded } from "./postgres_guarded.ts";
import { KnownVersion, type KnownVersionOptions, VersionedCache } from "./versioned_cache.ts";

export interface PostgresDirectoryOptions extends KnownVersionOptions {
  /** Answers of each kind remembered, of either sort; one that lists others counts as many. */
  readonly cacheCapacity?: number;
}

/** Does not own `sql`. */
export function postgresDirectory(
  sql: postgres.Sql,
  options: PostgresDirectoryOptions,
): DirectoryAdmin {
  const version = new KnownVersion(() => readDirectoryVersion(sql), options);
  const capacity = options.cacheCapacity;
  const lookups = new VersionedCache<Found>(version, {
    capacity,
    judge: ({ answer, isNamed }) => ({
      isGuess: !isNamed,
      weight: answer.kind === "alias" ? 1 + answer.targets.length : 1,
    }),
  });
  const mailboxes = new VersionedCache<MailboxSettings | null>(version, {
    capacity,
    judge: (settings) => ({ isGuess: settings === null, weight: 1 }),
  });
  const accounts = new VersionedCache<Account | null>(version, {
    capacity,
    judge: (account) => ({
      isGuess: account === null,
      weight: account === null ? 1 : 1 + account.senders.length + account.appPasswords.length,
    }),
  });
  return {
    ...postgresDirectoryChanges(sql, { onChange: () => version.forget() }),
    lookup: async (domain, localPart) => {
      const user = { domain, localPart: localPartKey(localPart) };
      const ask = () => lookup(sql, user);
      return (await guarded(() => lookups.get(keyOf(user), ask))).answer;
    },
    mailbox: (user) => guarded(() => mailboxes.get(keyOf(user), () => mailbox(sql, user))),
    account: (user) => guarded(() => accounts.get(keyOf(user), () => account(sql, user))),
  };
}

/** No domain holds a space, so that no two questions share a key. */
function keyOf({ domain, localPart }: UserName): string {
  return `${domain} ${localPart}`;
}

interface Found {
  readonly answer: DirectoryAnswer;
  /** Somebody has this very name. */
  readonly isNamed: boolean;
}

interface LookupRow {
  readonly name: string | null;
  readonly has_user: boolean | null;
  readonly targets: readonly string[] | null;
  readonly first_user: string | null;
}

async function lookup(sql: postgres.Sql, { domain, localPart }: UserName): Promise<Found> {
  const plus = localPart.indexOf("+");
  const base = plus > 0 ? localPart.slice(0, plus) : null;
  const [row] = await sql.unsafe<LookupRow[]>(statements.LOOKUP, [domain, localPart, base], {
    prepare: true,
  });
  const answer = answerOf(row, domain);
  return { answer, isNamed: answer.kind !== "no_such_user" && row?.name === localPart };
}

function answerOf(row: LookupRow | undefined, domain: string): DirectoryAnswer {
  if (row === undefined) return { kind: "not_local" };
  const { name, targets } = row;
  // RFC 5321 §4.5.1
  if (name === null) return { kind: "mailbox", domain, user: row.first_user ?? "postmaster" };
  if (targets !== null) {
    if (targets.length > MAX_TARGETS) return { kind: "too_large" };
    return { kind: "alias", targets, user: row.has_user ? name : null };
  }
  return row.has_user ? { kind: "mailbox", domain, user: name } : { kind: "no_such_user" };
}

interface MailboxRow {
  readonly transport: string;
  readonly sealed_webhook_secret: Uint8Array | null;
  readonly when_full: "defer" | "refuse";
  readonly quota_octets: number | null;
}

async function mailbox(sql: postgres.Sql, user: UserName): Promise<MailboxSettings | null> {
  const parameters = [user.domain, user.localPart];
  const [row] = await sql.unsafe<MailboxRow[]>(statements.MAILBOX, parameters, { prepare: true });
  if (row === undefined) return null;
  return {
    transport: transportOf(user.domain, row.transport),
    sealedWebhookSecret: octets(row.sealed_webhook_secret),
    quotaOctets: row.quota_octets,
    whenFull: row.when_full,
  };
}

interface AccountRow {
  readonly is_disabled: boolean;
  readonly password_hash: string;
  readonly sealed_cram_secret: Uint8Array | null;
  readonly messages_per_hour: number | null;
  readonly messages_per_day: number | null;
  readonly app_passwords: Account["appPasswords"] | null;
  readonly senders: readonly string[] | null;
}

async function account(sql: postgres.Sql, user: UserName): Promise<Account | null> {
  const { domain, localPart } = user;
  const parameters = [domain, localPart];
  const [row] = await sql.unsafe<AccountRow[]>(statements.ACCOUNT, parameters, { prepare: true });
  if (row === undefined) return null;
  return {
    user: { domain, localPart },
    isDisabled: row.is_disabled,
    passwordHash: row.password_hash,
    appPasswords: row.app_passwords ?? [],
    sealedCramSecret: octets(row.sealed_cram_secret),
    messagesPerHour: row.messages_per_hour,
    messagesPerDay: row.messages_per_day,
    senders: row.senders ?? [],
  };
}

/** The library's octets are of a class of their own. */
function octets(column: Uint8Array | null): Uint8Array | null {
  return column === null ? null : new Uint8Array(column);
}
