/**
 * Who may log in. Weighs what a client said against the account of that name, and guards the weighing:
 * guessers are locked out, slow hashes are computed a few at a time and in turns, and a password found
 * right a moment ago, or wrong, is not hashed again. Names that are nobody's cost what others cost. Does
 * not know the dialogue that brought the credentials, nor what the account may do once it is in.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { formatMailbox } from "../mail/path.ts";
import type { Counters } from "../store/counters.ts";
import type { Account, AccountSource, UserName } from "../store/directory.ts";
import { ExpiringMap } from "./expiring_map.ts";
import { FairQueue, type FairQueueLimits } from "./fair_queue.ts";
import {
  type Attempt,
  DEFAULT_LOCKOUT_LIMITS,
  type LockedOut,
  type LockoutLimits,
  Lockouts,
} from "./lockouts.ts";
import { networksOf, parseLoginName } from "./login_name.ts";
import { proofFor, stillProves } from "./proof.ts";
import type { Credentials } from "./sasl.ts";

export type LoginRefusal =
  | "unknown_user"
  | "wrong_password"
  | "disabled"
  /** CRAM-MD5 for a user who has no secret for it. */
  | "no_secret"
  /** The client wants to act as someone else. */
  | "not_allowed"
  /** The name can be nobody's. */
  | "malformed";

export interface GrantedLogin {
  readonly kind: "granted";
  readonly account: Account;
  /** What of the account the client proved to know, as `proofFor` has it. */
  readonly proof: string;
}

export interface LockedOutLogin extends LockedOut {
  /** Whether the name is known to be that of a user; not asked where an address is locked out. */
  readonly isUser: boolean;
}

export type LoginResult =
  | GrantedLogin
  /** The reason is for the log: the client is told the same in all cases. */
  | { readonly kind: "refused"; readonly reason: LoginRefusal }
  | LockedOutLogin
  /** Nothing was judged; `busy` when too many logins wait. */
  | { readonly kind: "unavailable"; readonly reason?: "store" | "busy" };

export interface LoginLimits extends LockoutLimits {
  /** Slow hashes at once and logins that wait for one; an origin is a client's network. */
  readonly queue: FairQueueLimits;
}

export const DEFAULT_LOGIN_LIMITS: LoginLimits = {
  ...DEFAULT_LOCKOUT_LIMITS,
  queue: { atOnce: 2, maxWaiting: 256, maxWaitingPerOrigin: 32 },
};

export interface AuthenticatorOptions {
  readonly accounts: AccountSource;
  readonly counters: Counters;
  /** Slow, off this thread; with `null` just as slow, and false. */
  readonly verifyPassword: (password: string, encodedHash: string | null) => Promise<boolean>;
  /** The secret sealed for a context; `null` when it does not open. */
  readonly openSecret: (sealed: Uint8Array, context: string) => Uint8Array | null;
  /** Tells a store that is away from one that is wrong. */
  readonly isStoreAway: (error: unknown) => boolean;
  /** Of names without one. */
  readonly defaultDomain: string;
  /** At least 32 random octets of this process, under which right passwords are remembered. */
  readonly cacheKey: Uint8Array;
  readonly limits: LoginLimits;
  /** Unix ms. */
  readonly now: () => number;
}

/** Whether the name is that of a user. Any other may be a password typed in the wrong place. */
export function namesUser(result: LoginResult): boolean {
  switch (result.kind) {
    case "granted":
      return true;
    case "refused":
      return ["wrong_password", "disabled", "no_secret"].includes(result.reason);
    case "locked_out":
      return result.isUser;
    case "unavailable":
      return false;
  }
}

const REMEMBER_PASSWORD_MS = 60_000;
const MAX_PASSWORDS = 10_000;

/** One login as it is weighed. */
interface Try {
  readonly credentials: Credentials;
  readonly attempt: Attempt;
  /** Name and password in one, as they may be remembered. */
  readonly said: string;
  /** What was said, and from which network. */
  readonly key: string;
}

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #lockouts: Lockouts;
  readonly #queue: FairQueue;
  /** The hash that a password was found to match. */
  readonly #rightPasswords: ExpiringMap<string>;
  /** How a try failed, and at what; in this process alone, for no store shall hold what people mistype. */
  readonly #failures: ExpiringMap<string>;
  /** Logins under way: equal ones share an end. */
  readonly #underWay = new Map<string, Promise<LoginResult>>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#lockouts = new Lockouts(options);
    this.#queue = new FairQueue(options.limits.queue);
    this.#rightPasswords = new ExpiringMap(MAX_PASSWORDS, options.now);
    this.#failures = new ExpiringMap(MAX_PASSWORDS, options.now);
  }

  /** @param client `address`: an IP address as text. */
  async authenticate(
    credentials: Credentials,
    client: { readonly address: string },
  ): Promise<LoginResult> {
    try {
      return await this.#judge(credentials, client.address);
    } catch (error) {
      if (!this.#options.isStoreAway(error)) throw error;
      return { kind: "unavailable", reason: "store" };
    }
  }

  /**
   * A login as it stands now; `null` once its user is gone or disabled, or has that password no more.
   * @throws {StoreUnavailableError}
   */
  async renew({ account: { user }, proof }: GrantedLogin): Promise<GrantedLogin | null> {
    const account = await this.#options.accounts.account(user);
    return account !== null && stillProves(proof, account)
      ? { kind: "granted", account, proof }
      : null;
  }

  async #judge(credentials: Credentials, address: string): Promise<LoginResult> {
    const user = parseLoginName(credentials.name, this.#options.defaultDomain);
    const name = user && formatMailbox(user.localPart, user.domain);
    const attempt = { networks: networksOf(address), user: name };
    const believed = this.#lockouts.believed(attempt);
    if (believed !== null) return { ...believed, isUser: false };
    const said = this.#keyed(name ?? credentials.name, credentials);
    const tried = { credentials, attempt, said, key: `${attempt.networks[0]} ${said}` };
    const isAllowed = user !== null && this.#mayActAs(credentials, user);
    // Only where the user just came from: else a guesser who is locked out could look for passwords
    // that are remembered.
    if (isAllowed && this.#lockouts.wasMarked(attempt)) {
      const account = await this.#options.accounts.account(user);
      const proof = account && proofFor(account, credentials);
      const isProven = account !== null && proof !== null && !account.isDisabled &&
        this.#proveFast(tried, account) === true;
      if (isProven) return { kind: "granted", account, proof };
    }
    const lockedOut = await this.#check(user, tried);
    if (lockedOut !== null) return lockedOut;
    if (user === null) return await this.#refuse("malformed", tried);
    if (!isAllowed) return await this.#refuse("not_allowed", tried);
    return await this.#inTurn(user, tried);
  }

  /** RFC 4616 §2: who acts as another needs leave to, which nobody here has. */
  #mayActAs(credentials: Credentials, user: UserName): boolean {
    if (credentials.kind !== "password" || credentials.authorizationId === undefined) return true;
    const other = parseLoginName(credentials.authorizationId, this.#options.defaultDomain);
    return other?.domain === user.domain && other.localPart === user.localPart;
  }

  /** Whether it is locked out; tries at a locked name count against the network they come from. */
  async #check(user: UserName | null, tried: Try): Promise<LockedOutLogin | null> {
    const lockedOut = await this.#lockouts.check(tried.attempt);
    if (lockedOut === null) return null;
    if (lockedOut.scope === "address" || user === null) return { ...lockedOut, isUser: false };
    if (!this.#hasFailed(tried, "locked_out")) {
      await this.#lockouts.countTurnedAway(tried.attempt);
      this.#remember(tried, "locked_out");
    }
    const account = await this.#options.accounts.account(user);
    return { ...lockedOut, isUser: account !== null };
  }

  async #inTurn(user: UserName, tried: Try): Promise<LoginResult> {
    // A client that opens many connections at once says the same on all.
    const same = this.#underWay.get(tried.key);
    if (same !== undefined) return await same;
    const result = this.#queued(user, tried).finally(() => this.#underWay.delete(tried.key));
    this.#underWay.set(tried.key, result);
    return await result;
  }

  async #queued(user: UserName, tried: Try): Promise<LoginResult> {
    const isFavoured = await this.#lockouts.isKnown(tried.attempt);
    const ended = await this.#queue.run(
      tried.attempt.networks[0],
      // What others of this network failed at meanwhile counts before the next hash.
      async () => await this.#check(user, tried) ?? await this.#weigh(user, tried),
      { isFavoured },
    );
    return ended === "busy" ? { kind: "unavailable", reason: "busy" } : ended;
  }

  async #weigh(user: UserName, tried: Try): Promise<LoginResult> {
    const account = await this.#options.accounts.account(user);
    const proof = account && proofFor(account, tried.credentials);
    const reason = refusalOf(account, proof);
    const failure = `${reason} ${proof}`;
    if (this.#hasFailed(tried, failure)) return { kind: "refused", reason };
    // Whoever is disabled costs what a wrong password costs.
    const known = account === null || account.isDisabled ? null : this.#proveFast(tried, account);
    const isRight = known ?? await this.#proveSlowly(tried, account);
    if (!isRight || account === null || account.isDisabled || proof === null) {
      return await this.#refuse(reason, tried, failure);
    }
    if (tried.credentials.kind === "password") {
      this.#rightPasswords.set(tried.said, proof, REMEMBER_PASSWORD_MS);
    }
    await this.#lockouts.mark(tried.attempt);
    return { kind: "granted", account, proof };
  }

  /** Counts the failure, unless the same failed the same from there: that guesses nothing. */
  async #refuse(reason: LoginRefusal, tried: Try, failure: string = reason): Promise<LoginResult> {
    if (!this.#hasFailed(tried, failure)) {
      await this.#lockouts.countFailure(tried.attempt);
      this.#remember(tried, failure);
    }
    return { kind: "refused", reason };
  }

  #hasFailed({ key }: Try, failure: string): boolean {
    return this.#failures.get(key) === failure;
  }

  #remember({ key }: Try, failure: string): void {
    this.#failures.set(key, failure, this.#options.limits.userWindowMs);
  }

  /** Whether the client proved itself; `null` when only a slow hash can tell. */
  #proveFast({ credentials, said }: Try, account: Account): boolean | null {
    if (credentials.kind === "cram-md5") return this.#proveCram(credentials, account);
    const right = this.#rightPasswords.get(said);
    // A password changed meanwhile has another hash.
    return right !== undefined && right === proofFor(account, credentials) ? true : null;
  }

  async #proveSlowly({ credentials }: Try, account: Account | null): Promise<boolean> {
    if (credentials.kind === "cram-md5") return this.#proveCram(credentials, account);
    const hash = account && proofFor(account, credentials);
    return await this.#options.verifyPassword(credentials.password, hash);
  }

  /** RFC 2195 §2: the challenge under HMAC-MD5, keyed by the secret. */
  #proveCram(
    { challenge, digestHex }: Extract<Credentials, { kind: "cram-md5" }>,
    account: Account | null,
  ): boolean {
    const { openSecret, cacheKey } = this.#options;
    const sealed = account?.sealedCramSecret ?? null;
    const secret = account === null || sealed === null
      ? null
      : openSecret(sealed, `cram ${account.user.localPart}@${account.user.domain}`);
    const digest = createHmac("md5", secret ?? cacheKey).update(challenge).digest();
    const said = Buffer.from(digestHex, "hex");
    return said.length === digest.length && timingSafeEqual(said, digest) && secret !== null;
  }

  /** Name and password under a key: whoever reads this memory cannot go back from it. */
  #keyed(name: string, credentials: Credentials): string {
    const secret = credentials.kind === "password"
      ? credentials.password
      : `${credentials.challenge}\0${credentials.digestHex}`;
    const hmac = createHmac("sha256", this.#options.cacheKey);
    return hmac.update(`${name}\0${secret}`).digest("base64");
  }
}

/** Why this account lets nobody in who does not prove himself. */
function refusalOf(account: Account | null, proof: string | null): LoginRefusal {
  if (account === null) return "unknown_user";
  if (account.isDisabled) return "disabled";
  return proof === null ? "no_secret" : "wrong_password";
}
