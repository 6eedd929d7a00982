/**
 * A shared store and what stands in for it while it is away. A store that failed is left alone for a moment, since
 * each try may wait for seconds; then one call tries it, and the others do not wait for it.
 */
import { StoreUnavailableError } from "./errors.ts";

const PAUSE_MS = 2_000;
const REPORT_EVERY_MS = 60_000;

export interface FallbackOptions<Store> {
  readonly shared: Store;
  /** Never unavailable. */
  readonly local: Store;
  /** Told at most once a minute that `local` stands in. */
  readonly onFallback: (error: StoreUnavailableError) => void;
  /** In ms; any clock that does not stand still. */
  readonly now: () => number;
}

export class Fallback<Store> {
  #pausedUntilMs = -Infinity;
  #reportedAtMs = -Infinity;

  constructor(private readonly options: FallbackOptions<Store>) {}

  /** Never throws `StoreUnavailableError`, as long as `local` does not. */
  async ask<T>(call: (store: Store) => Promise<T>): Promise<T> {
    const { shared, local, now } = this.options;
    const startMs = now();
    if (startMs < this.#pausedUntilMs) return await call(local);
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
