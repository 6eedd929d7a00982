/**
 * Who may not even try to log in. Failures count by the client's network and by the name tried; too many
 * from one network lock it out, too many at one name lock out all networks but those that its user has
 * logged in from before, so that a stranger cannot keep him out.
 *
 * Success forgives nothing: whoever has an account of his own would else wipe out his failures at
 * others' between guesses. Names are counted whether or not they are somebody's, as nothing here may
 * tell who exists; they stand in keys as hashes.
 */
import { createHash } from "node:crypto";
import type { Counters, CounterWindow } from "../store/counters.ts";
import { ExpiringMap } from "./expiring_map.ts";

export interface LockoutLimits {
  readonly addressFailures: number;
  readonly addressWindowMs: number;
  readonly userFailures: number;
  readonly userWindowMs: number;
  /** How long a network is known after a login from it, at the least; at the most twice as long. */
  readonly knownMs: number;
}

export const DEFAULT_LOCKOUT_LIMITS: LockoutLimits = {
  addressFailures: 10,
  addressWindowMs: 10 * 60_000,
  userFailures: 50,
  userWindowMs: 60 * 60_000,
  knownMs: 30 * 24 * 60 * 60_000,
};

export interface LockedOut {
  readonly kind: "locked_out";
  readonly scope: "address" | "user";
  readonly retryAfterMs: number;
}

/** One try to log in. */
export interface Attempt {
  /** As `networkOf` gives it. */
  readonly network: string;
  /** `null` when the name can be nobody's. */
  readonly user: string | null;
}

/** How often a user's network is marked as known again. */
const MARK_EVERY_MS = 60 * 60_000;
/** How long a lockout is believed without asking, so that lifting it helps soon. */
const BELIEVE_MS = 60_000;
const MAX_REMEMBERED = 10_000;
const MAX_DELAY_STEPS = 5;

/**
 * How long the answer to a failure is held back: a step for each failure so far, at most five.
 * @param options `stepMs` is 1000 where it shall hurt a guesser and no mistyper; 0 turns it off.
 */
export function failureDelayMs(failures: number, options: { readonly stepMs: number }): number {
  return Math.min(Math.max(failures, 1), MAX_DELAY_STEPS) * options.stepMs;
}

export class Lockouts {
  readonly #counters: Counters;
  readonly #limits: LockoutLimits;
  readonly #now: () => number;
  /** When the lockout of a network ends. */
  readonly #believed: ExpiringMap<number>;
  readonly #marked: ExpiringMap<true>;

  constructor(
    options: {
      readonly counters: Counters;
      readonly limits: LockoutLimits;
      readonly now: () => number;
    },
  ) {
    this.#counters = options.counters;
    this.#limits = options.limits;
    this.#now = options.now;
    this.#believed = new ExpiringMap(MAX_REMEMBERED, options.now);
    this.#marked = new ExpiringMap(MAX_REMEMBERED, options.now);
  }

  /** What is known without asking. */
  believed(network: string): LockedOut | null {
    const untilMs = this.#believed.get(network);
    const retryAfterMs = (untilMs ?? 0) - this.#now();
    return retryAfterMs > 0 ? { kind: "locked_out", scope: "address", retryAfterMs } : null;
  }

  /** @throws {StoreUnavailableError} */
  async check(attempt: Attempt): Promise<LockedOut | null> {
    const believed = this.believed(attempt.network);
    if (believed !== null) return believed;
    const { addressFailures, userFailures } = this.#limits;
    // Asks for nothing, and so is granted as long as one more failure is within the limit.
    const claims = this.#failures(attempt).map((window, index) => ({
      ...window,
      limit: (index === 0 ? addressFailures : userFailures) - 1,
      amount: 0,
    }));
    const taken = await this.#counters.take(claims);
    if (taken.kind === "granted") return null;
    const { claim, retryAfterMs } = taken;
    if (claim === 0) {
      const untilMs = this.#now() + retryAfterMs;
      this.#believed.set(attempt.network, untilMs, Math.min(retryAfterMs, BELIEVE_MS));
      return { kind: "locked_out", scope: "address", retryAfterMs };
    }
    const [marks] = await this.#counters.read([this.#known(attempt)]);
    return marks > 0 ? null : { kind: "locked_out", scope: "user", retryAfterMs };
  }

  /** @throws {StoreUnavailableError} */
  async countFailure(attempt: Attempt): Promise<void> {
    await this.#counters.add(
      this.#failures(attempt).map((window) => ({ ...window, amount: 1 })),
    );
  }

  /** Whether the user logged in from there through this object within the hour. */
  wasMarked(attempt: Attempt): boolean {
    return this.#marked.get(markOf(attempt)) === true;
  }

  /** Makes the network known for the user. @throws {StoreUnavailableError} */
  async mark(attempt: Attempt): Promise<void> {
    if (this.wasMarked(attempt)) return;
    await this.#counters.add([{ ...this.#known(attempt), amount: 1 }]);
    this.#marked.set(markOf(attempt), true, MARK_EVERY_MS);
  }

  /** That of the network, then that of the user. */
  #failures({ network, user }: Attempt): CounterWindow[] {
    const { addressWindowMs, userWindowMs } = this.#limits;
    const windows = [{ key: `login:address:${network}`, windowMs: addressWindowMs }];
    if (user !== null) windows.push({ key: `login:user:${digest(user)}`, windowMs: userWindowMs });
    return windows;
  }

  #known(attempt: Attempt): CounterWindow {
    return { key: `login:known:${digest(markOf(attempt))}`, windowMs: this.#limits.knownMs };
  }
}

function markOf({ network, user }: Attempt): string {
  return `${user}\0${network}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
