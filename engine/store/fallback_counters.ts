/**
 * Counters that outlive their store: while the shared ones are away, each worker counts for itself, so
 * that mail and logins go on, with limits that hold a worker rather than the cluster. What was counted
 * alone stays alone.
 */
import type { Claim, Counters, CounterWindow, Taken } from "./counters.ts";
import { StoreUnavailableError } from "./errors.ts";

/** How long the shared store is left alone after it failed, since each try may wait for seconds. */
const PAUSE_MS = 2_000;
const REPORT_EVERY_MS = 60_000;

export interface FallbackCountersOptions {
  readonly shared: Counters;
  /** Never unavailable. */
  readonly local: Counters;
  /** Told at most once a minute that counting is local. */
  readonly onFallback: (error: StoreUnavailableError) => void;
  /** In ms; any clock that does not stand still. */
  readonly now: () => number;
}

/** Never throws `StoreUnavailableError`, as long as `local` does not. */
export function fallbackCounters(options: FallbackCountersOptions): Counters {
  return new FallbackCounters(options);
}

class FallbackCounters implements Counters {
  #pausedUntilMs = -Infinity;
  #reportedAtMs = -Infinity;

  constructor(private readonly options: FallbackCountersOptions) {}

  take(claims: readonly Claim[]): Promise<Taken> {
    return this.#ask((counters) => counters.take(claims));
  }

  add(counts: readonly (CounterWindow & { amount: number })[]): Promise<readonly number[]> {
    return this.#ask((counters) => counters.add(counts));
  }

  giveBack(counts: readonly (CounterWindow & { amount: number })[]): Promise<void> {
    return this.#ask((counters) => counters.giveBack(counts));
  }

  read(windows: readonly CounterWindow[]): Promise<readonly number[]> {
    return this.#ask((counters) => counters.read(windows));
  }

  async reset(windows: readonly CounterWindow[]): Promise<void> {
    await this.options.local.reset(windows);
    await this.#ask((counters) => counters.reset(windows));
  }

  async #ask<T>(call: (counters: Counters) => Promise<T>): Promise<T> {
    const { shared, local, now } = this.options;
    const startMs = now();
    if (startMs < this.#pausedUntilMs) return await call(local);
    // After a pause one call tries the store, the others do not wait for it.
    if (this.#pausedUntilMs > -Infinity) this.#pausedUntilMs = startMs + PAUSE_MS;
    try {
      const answer = await call(shared);
      this.#pausedUntilMs = -Infinity;
      return answer;
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error;
      this.#fellBack(error);
      return await call(local);
    }
  }

  #fellBack(error: StoreUnavailableError): void {
    const nowMs = this.options.now();
    this.#pausedUntilMs = nowMs + PAUSE_MS;
    if (nowMs - this.#reportedAtMs < REPORT_EVERY_MS) return;
    this.#reportedAtMs = nowMs;
    this.options.onFallback(error);
  }
}
