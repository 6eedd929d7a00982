/**
 * The directory: which domains are ours, who has a mailbox in them, and what each may do.
 *
 * Domains are compared in the form `normalizeDomain` gives, local parts without regard to case. Every
 * local domain has a postmaster (RFC 5321 §4.5.1): where no user and no alias bears the name, its mail
 * goes to the domain's first user who is not disabled, and where there is none to a mailbox of that name.
 */
import type { DirectoryAnswer } from "../routing/route.ts";

/** Rows one listing answers at the most; ask again with `after` for the next. */
export const DIRECTORY_PAGE = 1000;

/** What one alias may lead to; a longer list is for mailing list software. */
export const MAX_TARGETS = 1000;

export interface UserName {
  /** As `normalizeDomain` gives it. */
  readonly domain: string;
  /** Lower case; `localPartKey` makes it so. */
  readonly localPart: string;
}

/** How the mailboxes of a domain are filled. */
export type LocalTransport =
  | { readonly kind: "maildir" }
  /** `address`: the path of a unix socket, or `host:port`. */
  | { readonly kind: "lmtp"; readonly address: string }
  | { readonly kind: "webhook"; readonly url: string };

/** What final delivery needs to know of a mailbox. */
export interface MailboxSettings {
  readonly transport: LocalTransport;
  /** Sealed; signs what a webhook is sent. */
  readonly sealedWebhookSecret: Uint8Array | null;
  readonly quotaOctets: number | null;
  /** What a full mailbox answers: 452, or 552. */
  readonly whenFull: "defer" | "refuse";
}

export interface Directory {
  /**
   * Who has this mailbox: the alias or user of that name, else of the name before its `+`, else the
   * postmaster's, else the domain's catch-all. A change made elsewhere is seen within seconds.
   * @throws {StoreUnavailableError}
   */
  lookup(domain: string, localPart: string): Promise<DirectoryAnswer>;
  /**
   * Where a local mailbox is; a name without a user, as postmaster's may be, has the domain's settings.
   * `null` when the domain is not ours. @throws {StoreUnavailableError}
   */
  mailbox(user: UserName): Promise<MailboxSettings | null>;
}

export interface AppPassword {
  readonly tag: string;
  readonly label: string;
  readonly createdAtMs: number;
}

/** What authentication and submission ask about a user. */
export interface Account {
  readonly user: UserName;
  readonly isDisabled: boolean;
  readonly passwordHash: string;
  readonly appPasswords: readonly { readonly tag: string; readonly passwordHash: string }[];
  /** `null`: CRAM-MD5 is not for this user. */
  readonly sealedCramSecret: Uint8Array | null;
  /** By recipients; `null` where the server's own limits hold. */
  readonly messagesPerHour: number | null;
  readonly messagesPerDay: number | null;
  /** Granted besides the names that are his by user and alias: `a@b`, `@b` or `*`. */
  readonly senders: readonly string[];
}

export interface AccountSource {
  /** `null` when there is no such user. Remembered as lookups are. @throws {StoreUnavailableError} */
  account(user: UserName): Promise<Account | null>;
}

export interface DomainSettings {
  readonly name: string;
  readonly transport: LocalTransport;
  readonly hasPlusAddressing: boolean;
  readonly whenFull: "defer" | "refuse";
}

export interface DomainChange {
  readonly transport?: LocalTransport;
  readonly sealedWebhookSecret?: Uint8Array | null;
  readonly hasPlusAddressing?: boolean;
  readonly whenFull?: "defer" | "refuse";
}

export interface UserChange {
  readonly isDisabled?: boolean;
  readonly quotaOctets?: number | null;
  readonly messagesPerHour?: number | null;
  readonly messagesPerDay?: number | null;
  readonly sealedCramSecret?: Uint8Array | null;
}

export interface UserListing extends UserName {
  readonly isDisabled: boolean;
  readonly quotaOctets: number | null;
}

export interface Alias extends UserName {
  /** The empty local part is the catch-all. */
  readonly localPart: string;
  /** A mailbox, or `@domain` for the same local part there. */
  readonly target: string;
}

/** What people change. Names are given in the form they are stored in. */
export interface DirectoryAdmin extends Directory, AccountSource {
  domains(page?: { after: string }): Promise<readonly string[]>;
  domain(name: string): Promise<DomainSettings | null>;
  /** False when it is there already. */
  addDomain(name: string): Promise<boolean>;
  /** False when there is no such domain. */
  changeDomain(name: string, change: DomainChange): Promise<boolean>;
  /** With its aliases, signing keys and grants. */
  removeDomain(name: string): Promise<"removed" | "no_such_domain" | "has_users">;
  /** Users of one domain, or of all, by domain and name. */
  users(page?: { domain?: string; after?: UserName }): Promise<readonly UserListing[]>;
  addUser(user: UserName, passwordHash: string): Promise<"added" | "exists" | "no_such_domain">;
  /** False when there is no such user, as for all that change a user. */
  changeUser(user: UserName, change: UserChange): Promise<boolean>;
  /** Mail already in the mailbox stays. */
  removeUser(user: UserName): Promise<boolean>;
  setPassword(user: UserName, passwordHash: string): Promise<boolean>;
  appPasswords(user: UserName): Promise<readonly AppPassword[]>;
  addAppPassword(
    user: UserName,
    password: { readonly tag: string; readonly label: string; readonly passwordHash: string },
  ): Promise<"added" | "exists" | "no_such_user">;
  removeAppPassword(user: UserName, tag: string): Promise<boolean>;
  grants(user: UserName): Promise<readonly string[]>;
  addGrant(user: UserName, sender: string): Promise<"added" | "exists" | "no_such_user">;
  removeGrant(user: UserName, sender: string): Promise<boolean>;
  /** Aliases of one domain, or of all, by domain, name and target. */
  aliases(page?: { domain?: string; after?: Alias }): Promise<readonly Alias[]>;
  /** Names other users have not, whose aliases lead to the user; the empty local part is the catch-all. */
  aliasesTo(user: UserName): Promise<readonly UserName[]>;
  /** `full`: it has `MAX_TARGETS` already. */
  addAlias(alias: Alias): Promise<"added" | "exists" | "full" | "no_such_domain">;
  /** One target, or all where `target` is null; false when there was none. */
  removeAlias(alias: UserName, target: string | null): Promise<boolean>;
}

/** The form in which local parts are compared: composed, in lower case. */
export function localPartKey(localPart: string): string {
  return localPart.normalize("NFC").toLowerCase();
}
