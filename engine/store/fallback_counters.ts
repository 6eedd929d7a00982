/**
 * Counters that outlive their store: while the shared ones are away, each worker counts for itself, so
 * that mail and logins go on, with limits that hold a worker rather than the cluster. What was counted
 * alone stays alone.
 */
import type { Claim, Counters, CounterWindow, Taken } from "./counters.ts";
import { Fallback, type FallbackOptions } from "./fallback.ts";

/** Never throws `StoreUnavailableError`, as long as `local` does not. */
export function fallbackCounters(options: FallbackOptions<Counters>): Counters {
  return new FallbackCounters(options);
}

class FallbackCounters implements Counters {
  #fallback: Fallback<Counters>;

  constructor(private readonly options: FallbackOptions<Counters>) {
    this.#fallback = new Fallback(options);
  }

  take(claims: readonly Claim[]): Promise<Taken> {
    return this.#fallback.ask((counters) => counters.take(claims));
  }

  add(counts: readonly (CounterWindow & { amount: number })[]): Promise<readonly number[]> {
    return this.#fallback.ask((counters) => counters.add(counts));
  }

  giveBack(counts: readonly (CounterWindow & { amount: number })[]): Promise<void> {
    return this.#fallback.ask((counters) => counters.giveBack(counts));
  }

  read(windows: readonly CounterWindow[]): Promise<readonly number[]> {
    return this.#fallback.ask((counters) => counters.read(windows));
  }

  async reset(windows: readonly CounterWindow[]): Promise<void> {
    await this.options.local.reset(windows);
    await this.#fallback.ask((counters) => counters.reset(windows));
  }
}
