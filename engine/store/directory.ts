/**
 * The directory: which domains are ours and who has a mailbox in them.
 *
 * Domains are compared in the form `normalizeDomain` gives, local parts without regard to case. Every
 * local domain has a postmaster (RFC 5321 §4.5.1): where no user bears the name, its mail goes to the
 * domain's first user, and in a domain without users to a mailbox of that name.
 */
import type { DirectoryAnswer } from "../routing/route.ts";

/** Users and domains one listing answers at the most; ask again with `after` for the next. */
export const DIRECTORY_PAGE = 1000;

export interface UserName {
  /** As `normalizeDomain` gives it. */
  readonly domain: string;
  /** Lower case; `localPartKey` makes it so. */
  readonly localPart: string;
}

export interface Directory {
  /**
   * Who has this mailbox. A change made elsewhere is seen within seconds.
   * @throws {StoreUnavailableError}
   */
  lookup(domain: string, localPart: string): Promise<DirectoryAnswer>;
}

/** What authentication asks. */
export interface PasswordSource {
  /** The encoded hash; `null` when there is no such user. @throws {StoreUnavailableError} */
  passwordHash(user: UserName): Promise<string | null>;
}

/** What people change. Names are given in the form they are stored in. */
export interface DirectoryAdmin extends Directory, PasswordSource {
  domains(page?: { after: string }): Promise<readonly string[]>;
  /** False when it is there already. */
  addDomain(name: string): Promise<boolean>;
  removeDomain(name: string): Promise<"removed" | "no_such_domain" | "has_users">;
  /** Users of one domain, or of all, by domain and name. */
  users(page?: { domain?: string; after?: UserName }): Promise<readonly UserName[]>;
  addUser(user: UserName, passwordHash: string): Promise<"added" | "exists" | "no_such_domain">;
  /** False when there is no such user; mail already in the mailbox stays. */
  removeUser(user: UserName): Promise<boolean>;
  /** False when there is no such user. */
  setPassword(user: UserName, passwordHash: string): Promise<boolean>;
}

/** The form in which local parts are compared: composed, in lower case. */
export function localPartKey(localPart: string): string {
  return localPart.normalize("NFC").toLowerCase();
}
