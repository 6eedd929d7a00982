/**
 * Who may log in. Weighs what a client said against the account of that name, and guards the weighing:
 * guessers are locked out, slow hashes are computed a few at a time and in turns, and a password found
 * right a moment ago is not hashed again. Names that are nobody's cost what others cost. Does not know
 * the dialogue that brought the credentials, nor what the account may do once it is in.
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
import { networkOf, parseLoginName } from "./login_name.ts";
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

export type LoginResult =
  | { readonly kind: "granted"; readonly account: Account }
  /** The reason is for the log: the client is told the same in all cases. */
  | { readonly kind: "refused"; readonly reason: LoginRefusal }
  | LockedOut
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

const REMEMBER_PASSWORD_MS = 60_000;
const MAX_PASSWORDS = 10_000;

export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #lockouts: Lockouts;
  readonly #queue: FairQueue;
  /** The hash that a password was found to match. */
  readonly #rightPasswords: ExpiringMap<string>;
  /** Logins under way, by network, name and password: equal ones share an end. */
  readonly #underWay = new Map<string, Promise<LoginResult>>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#lockouts = new Lockouts(options);
    this.#queue = new FairQueue(options.limits.queue);
    this.#rightPasswords = new ExpiringMap(MAX_PASSWORDS, options.now);
  }

  /** @param client `address`: an IP address as text. */
  async authenticate(
    credentials: Credentials,
    client: { readonly address: string },
  ): Promise<LoginResult> {
    try {
      return await this.#judge(credentials, networkOf(client.address));
    } catch (error) {
      if (!this.#options.isStoreAway(error)) throw error;
      return { kind: "unavailable", reason: "store" };
    }
  }

  async #judge(credentials: Credentials, network: string): Promise<LoginResult> {
    const believed = this.#lockouts.believed(network);
    if (believed !== null) return believed;
    const user = parseLoginName(credentials.name, this.#options.defaultDomain);
    const attempt = { network, user: user && formatMailbox(user.localPart, user.domain) };
    const isAllowed = user !== null && this.#mayActAs(credentials, user);
    // Only where the user just came from: else a guesser who is locked out could look for passwords
    // that are remembered.
    if (isAllowed && this.#lockouts.wasMarked(attempt)) {
      const account = await this.#options.accounts.account(user);
      const isProven = account !== null && !account.isDisabled &&
        this.#proveFast(credentials, account) === true;
      if (isProven) return { kind: "granted", account };
    }
    const lockedOut = await this.#lockouts.check(attempt);
    if (lockedOut !== null) return lockedOut;
    if (user === null) return await this.#refuse(attempt, "malformed");
    if (!isAllowed) return await this.#refuse(attempt, "not_allowed");
    return await this.#inTurn(credentials, user, attempt);
  }

  /** RFC 4616 §2: who acts as another needs leave to, which nobody here has. */
  #mayActAs(credentials: Credentials, user: UserName): boolean {
    if (credentials.kind !== "password" || credentials.authorizationId === undefined) return true;
    const other = parseLoginName(credentials.authorizationId, this.#options.defaultDomain);
    return other?.domain === user.domain && other.localPart === user.localPart;
  }

  async #inTurn(
    credentials: Credentials,
    user: UserName,
    attempt: Attempt,
  ): Promise<LoginResult> {
    const key = credentials.kind === "password"
      ? `${attempt.network} ${this.#keyOf(user, credentials.password)}`
      : `${attempt.network} ${credentials.challenge} ${credentials.digestHex} ${attempt.user}`;
    // A client that opens many connections at once says the same on all.
    const same = this.#underWay.get(key);
    if (same !== undefined) return await same;
    const result = this.#queue.run(
      attempt.network,
      // What others of this network failed at meanwhile counts before the next hash.
      async () =>
        await this.#lockouts.check(attempt) ?? await this.#weigh(credentials, user, attempt),
    ).then((ended): LoginResult =>
      ended === "busy" ? { kind: "unavailable", reason: "busy" } : ended
    ).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, result);
    return await result;
  }

  async #weigh(
    credentials: Credentials,
    user: UserName,
    attempt: Attempt,
  ): Promise<LoginResult> {
    const account = await this.#options.accounts.account(user);
    // Whoever is disabled costs what a wrong password costs.
    const known = account === null || account.isDisabled
      ? null
      : this.#proveFast(credentials, account);
    const isRight = known ?? await this.#proveSlowly(credentials, account);
    if (account === null) return await this.#refuse(attempt, "unknown_user");
    if (account.isDisabled) return await this.#refuse(attempt, "disabled");
    if (!isRight) {
      const hasSecret = credentials.kind === "password" || account.sealedCramSecret !== null;
      return await this.#refuse(attempt, hasSecret ? "wrong_password" : "no_secret");
    }
    if (credentials.kind === "password") {
      const { password } = credentials;
      const hash = hashFor(account, password);
      this.#rightPasswords.set(this.#keyOf(user, password), hash, REMEMBER_PASSWORD_MS);
    }
    await this.#lockouts.mark(attempt);
    return { kind: "granted", account };
  }

  async #refuse(attempt: Attempt, reason: LoginRefusal): Promise<LoginResult> {
    await this.#lockouts.countFailure(attempt);
    return { kind: "refused", reason };
  }

  /** Whether the client proved itself; `null` when only a slow hash can tell. */
  #proveFast(credentials: Credentials, account: Account): boolean | null {
    if (credentials.kind === "cram-md5") return this.#proveCram(credentials, account);
    const { password } = credentials;
    const right = this.#rightPasswords.get(this.#keyOf(account.user, password));
    // A password changed meanwhile has another hash.
    return right !== undefined && right === hashFor(account, password) ? true : null;
  }

  async #proveSlowly(credentials: Credentials, account: Account | null): Promise<boolean> {
    if (credentials.kind === "cram-md5") return this.#proveCram(credentials, account);
    const { password } = credentials;
    const hash = account === null ? null : hashFor(account, password);
    return await this.#options.verifyPassword(password, hash);
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

  /** A password of a user, as it may be remembered: whoever reads this memory cannot go back from it. */
  #keyOf({ localPart, domain }: UserName, password: string): string {
    const said = `${localPart}@${domain}\0${password}`;
    return createHmac("sha256", this.#options.cacheKey).update(said).digest("base64");
  }
}

/** The one hash a password is compared with: that of the app it names by its tag, or the user's own. */
function hashFor(account: Account, password: string): string {
  const tag = password.slice(0, Math.max(0, password.indexOf("-")));
  const app = account.appPasswords.find((each) => each.tag === tag);
  return (app ?? account).passwordHash;
}
