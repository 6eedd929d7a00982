/**
 * Who may not even try to log in. Failures count by the client's network, by the name tried, and by both
 * together. Too many from one network lock it out, too many at one name lock out all networks, of which
 * each adds so little to that count that it takes many. Where a user has logged in from before, neither
 * strangers who try his name nor colleagues behind the same address keep him out: there only what failed
 * at his own name does.
 *
 * Success forgives nothing: whoever has an account of his own would else wipe out his failures at
 * others' between guesses. Names are counted whether or not they are somebody's, as nothing here may
 * tell who exists; they stand in keys as hashes.
 */
import { createHash } from "node:crypto";
import type { Counters, CounterWindow } from "../store/counters.ts";
import { ExpiringMap } from "./expiring_map.ts";
import type { Networks } from "./login_name.ts";

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
  /** The network, be it for this name alone; or the name, for networks its user is not known in. */
  readonly scope: "address" | "user";
  readonly retryAfterMs: number;
}

/** One try to log in. */
export interface Attempt {
  /** As `networksOf` gives them. */
  readonly networks: Networks;
  /** `null` when the name can be nobody's. */
  readonly user: string | null;
}

/** What the own network and the wider ones may hold, as multiples of the limit: strangers share those. */
const WIDTH_FACTORS = [1, 3, 10];
/** What a network may fail at one name within the user's window, as a multiple of the address's limit. */
const NAME_FACTOR = 2;
/** What a network, however wide, adds to the count of a name at the most. */
const MAX_SHARE = 5;
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

interface LimitedWindow extends CounterWindow {
  readonly limit: number;
}

export class Lockouts {
  readonly #counters: Counters;
  readonly #limits: LockoutLimits;
  readonly #now: () => number;
  /** When the lockout of a network ends, by name and network. */
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
  believed(attempt: Attempt): LockedOut | null {
    const untilMs = this.#believed.get(markOf(attempt));
    const retryAfterMs = (untilMs ?? 0) - this.#now();
    return retryAfterMs > 0 ? { kind: "locked_out", scope: "address", retryAfterMs } : null;
  }

  /** @throws {StoreUnavailableError} */
  async check(attempt: Attempt): Promise<LockedOut | null> {
    const believed = this.believed(attempt);
    if (believed !== null) return believed;
    const shared = [...this.#ofNetworks(attempt), ...this.#ofPairs(attempt)];
    const full = await this.#full([...shared, ...this.#ofName(attempt)]);
    if (full === null) return null;
    if (!await this.isKnown(attempt)) {
      return full.claim < shared.length
        ? this.#lockOut(attempt, full.retryAfterMs)
        : { kind: "locked_out", scope: "user", retryAfterMs: full.retryAfterMs };
    }
    const own = await this.#full(this.#ofPairs(attempt).slice(0, 1));
    return own && this.#lockOut(attempt, own.retryAfterMs);
  }

  /** @throws {StoreUnavailableError} */
  async countFailure(attempt: Attempt): Promise<void> {
    const counts = await this.#count([...this.#ofNetworks(attempt), ...this.#ofPairs(attempt)]);
    if (counts[counts.length - 1] <= MAX_SHARE) await this.#count(this.#ofName(attempt));
  }

  /** A try at a name that is locked out, for which the network alone pays. @throws {StoreUnavailableError} */
  async countTurnedAway(attempt: Attempt): Promise<void> {
    await this.#count(this.#ofNetworks(attempt));
  }

  /** Whether the user logged in from there through this object within the hour. */
  wasMarked(attempt: Attempt): boolean {
    return this.#marked.get(markOf(attempt)) === true;
  }

  /** Whether the user logged in from there, lately as `knownMs` has it. @throws {StoreUnavailableError} */
  async isKnown(attempt: Attempt): Promise<boolean> {
    if (this.wasMarked(attempt)) return true;
    const [marks] = await this.#counters.read([this.#known(attempt)]);
    return marks > 0;
  }

  /** Makes the network known for the user. @throws {StoreUnavailableError} */
  async mark(attempt: Attempt): Promise<void> {
    if (this.wasMarked(attempt)) return;
    await this.#counters.add([{ ...this.#known(attempt), amount: 1 }]);
    this.#marked.set(markOf(attempt), true, MARK_EVERY_MS);
  }

  #lockOut(attempt: Attempt, retryAfterMs: number): LockedOut {
    const untilMs = this.#now() + retryAfterMs;
    this.#believed.set(markOf(attempt), untilMs, Math.min(retryAfterMs, BELIEVE_MS));
    return { kind: "locked_out", scope: "address", retryAfterMs };
  }

  /** The first that has no room for one more failure. */
  async #full(windows: readonly LimitedWindow[]) {
    // Asks for nothing, and so is granted as long as one more failure is within the limit.
    const claims = windows.map((window) => ({ ...window, limit: window.limit - 1, amount: 0 }));
    const taken = await this.#counters.take(claims);
    return taken.kind === "granted" ? null : taken;
  }

  #count(windows: readonly LimitedWindow[]): Promise<readonly number[]> {
    return this.#counters.add(windows.map((window) => ({ ...window, amount: 1 })));
  }

  #ofNetworks({ networks }: Attempt): LimitedWindow[] {
    const { addressFailures, addressWindowMs: windowMs } = this.#limits;
    return networks.map((network, width) => ({
      key: `login:address:${network}`,
      windowMs,
      limit: addressFailures * WIDTH_FACTORS[width],
    }));
  }

  /** Of each network at this very name. */
  #ofPairs({ networks, user }: Attempt): LimitedWindow[] {
    const { addressFailures, userWindowMs: windowMs } = this.#limits;
    if (user === null) return [];
    return networks.map((network, width) => ({
      key: `login:pair:${digest(`${user}\0${network}`)}`,
      windowMs,
      limit: addressFailures * NAME_FACTOR * WIDTH_FACTORS[width],
    }));
  }

  #ofName({ user }: Attempt): LimitedWindow[] {
    const { userFailures: limit, userWindowMs: windowMs } = this.#limits;
    return user === null ? [] : [{ key: `login:user:${digest(user)}`, windowMs, limit }];
  }

  #known(attempt: Attempt): CounterWindow {
    return { key: `login:known:${digest(markOf(attempt))}`, windowMs: this.#limits.knownMs };
  }
}

function markOf({ networks, user }: Attempt): string {
  return `${user}\0${networks[0]}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
