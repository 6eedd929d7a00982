/**
 * The embedded counters: what `redisCounters` keeps in Redis, kept in this process and forgotten with it.
 *
 * Counts of one window length and one bucket lie together, so that a bucket that is over goes as a whole.
 * At the bound a new count displaces the one that expires first, the oldest of them in front: whoever is
 * forgotten so may do a little more than his limit, and the memory of the process stays what it is.
 */
import {
  bucketAt,
  checkWindows,
  heldIn,
  roomAfterMs,
  roomFor,
  type WindowState,
  withoutAmount,
} from "./counter_window.ts";
import type { Claim, Counters, CounterWindow, Taken } from "./counters.ts";

/** Some 40 MB at the longest keys in use. */
const MAX_COUNTS = 200_000;
/** Window lengths; they come from configuration, so there are a handful. */
const MAX_LENGTHS = 64;

/** @param options `now` answers Unix ms; `maxCounts` bounds buckets of keys, a key having up to two. */
export function memoryCounters(
  options: { readonly now: () => number; readonly maxCounts?: number },
): Counters {
  return new InProcessCounters(options.now, options.maxCounts ?? MAX_COUNTS);
}

/** All windows of one length. */
interface Buckets {
  index: number;
  current: Map<string, number>;
  previous: Map<string, number>;
}

class InProcessCounters implements Counters {
  #lengths = new Map<number, Buckets>();

  constructor(private readonly now: () => number, private readonly maxCounts: number) {}

  // deno-lint-ignore require-await
  async take(claims: readonly Claim[]): Promise<Taken> {
    checkWindows(claims);
    const nowMs = this.now();
    for (const [index, claim] of claims.entries()) {
      const state = this.#state(claim, nowMs);
      // A window may be named more than once: what earlier claims ask of it counts.
      const asked = claims.slice(0, index)
        .filter(({ key, windowMs }) => key === claim.key && windowMs === claim.windowMs)
        .reduce((sum, { amount }) => sum + amount, 0);
      const room = roomFor(claim);
      const wanted = { ...state, current: state.current + asked };
      if (heldIn(wanted) > room) {
        return { kind: "refused", claim: index, retryAfterMs: roomAfterMs(wanted, room) };
      }
    }
    for (const claim of claims) this.#count(claim, nowMs);
    return { kind: "granted" };
  }

  // deno-lint-ignore require-await
  async add(
    counts: readonly (CounterWindow & { amount: number })[],
  ): Promise<readonly number[]> {
    checkWindows(counts);
    const nowMs = this.now();
    return counts.map((count) => {
      this.#count(count, nowMs);
      return Math.ceil(heldIn(this.#state(count, nowMs)));
    });
  }

  // deno-lint-ignore require-await
  async giveBack(counts: readonly (CounterWindow & { amount: number })[]): Promise<void> {
    checkWindows(counts);
    const nowMs = this.now();
    for (const { key, windowMs, amount } of counts) {
      const left = withoutAmount(this.#state({ key, windowMs }, nowMs), amount);
      const { current, previous } = this.#buckets(windowMs, nowMs);
      replace(current, key, left.current);
      replace(previous, key, left.previous);
    }
  }

  // deno-lint-ignore require-await
  async read(windows: readonly CounterWindow[]): Promise<readonly number[]> {
    checkWindows(windows);
    const nowMs = this.now();
    return windows.map((window) => Math.ceil(heldIn(this.#state(window, nowMs))));
  }

  // deno-lint-ignore require-await
  async reset(windows: readonly CounterWindow[]): Promise<void> {
    checkWindows(windows);
    for (const { key, windowMs } of windows) {
      this.#lengths.get(windowMs)?.current.delete(key);
      this.#lengths.get(windowMs)?.previous.delete(key);
    }
  }

  #state({ key, windowMs }: CounterWindow, nowMs: number): WindowState {
    const { index, current, previous } = this.#buckets(windowMs, nowMs);
    return {
      windowMs,
      elapsedMs: Math.max(0, Math.floor(nowMs) - index * windowMs),
      current: current.get(key) ?? 0,
      previous: previous.get(key) ?? 0,
    };
  }

  #count({ key, windowMs, amount }: CounterWindow & { amount: number }, nowMs: number): void {
    if (amount === 0) return;
    const { current } = this.#buckets(windowMs, nowMs);
    const counted = current.get(key);
    if (counted === undefined) this.#makeRoom(nowMs);
    current.set(key, (counted ?? 0) + amount);
  }

  /** The buckets of a length, moved on to a time. */
  #buckets(windowMs: number, nowMs: number): Buckets {
    let buckets = this.#lengths.get(windowMs);
    if (buckets === undefined) {
      if (this.#lengths.size >= MAX_LENGTHS) throw new RangeError("too many lengths of windows");
      const index = bucketAt(nowMs, windowMs, -1);
      this.#lengths.set(windowMs, buckets = { index, current: new Map(), previous: new Map() });
    }
    const index = bucketAt(nowMs, windowMs, buckets.index);
    if (index !== buckets.index) {
      buckets.previous = index === buckets.index + 1 ? buckets.current : new Map();
      buckets.current = new Map();
      buckets.index = index;
    }
    return buckets;
  }

  #makeRoom(nowMs: number): void {
    let counts = 0;
    let first: Map<string, number> | null = null;
    let firstMs = Infinity;
    for (const windowMs of this.#lengths.keys()) {
      const { index, current, previous } = this.#buckets(windowMs, nowMs);
      counts += current.size + previous.size;
      for (const [bucket, end] of [[previous, index + 1], [current, index + 2]] as const) {
        if (bucket.size === 0 || end * windowMs >= firstMs) continue;
        first = bucket;
        firstMs = end * windowMs;
      }
    }
    if (counts < this.maxCounts || first === null) return;
    const [oldest] = first.keys();
    first.delete(oldest);
  }
}

/** Never adds a key: only what was counted is taken back. */
function replace(bucket: Map<string, number>, key: string, count: number): void {
  if (count === 0) bucket.delete(key);
  else bucket.set(key, count);
}
