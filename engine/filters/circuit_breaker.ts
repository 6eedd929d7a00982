/**
 * Whether a filter that failed is asked again yet. Left alone after a few failures in a row, so that a dead filter
 * does not cost every message its time-out; then tried with one message, and left alone for longer if that fails.
 * A message can make a filter fail on purpose, so failures that may be a message's doing count fully only once a
 * client.
 */

/** Failures in a row after which it rests. */
const FAILURES_TO_REST = 5;
/** What each further failure over messages of the same client counts. */
const REPEATED = 0.25;
const FIRST_REST_MS = 5_000;
const MAX_REST_MS = 60_000;

export interface FilterFailureFacts {
  readonly nowMs: number;
  readonly clientAddress: string;
  /** Nobody was there at all, which no message brings about. */
  readonly isDead: boolean;
}

export class CircuitBreaker {
  #count = 0;
  /** Clients whose messages it failed for; at most `FAILURES_TO_REST`. */
  readonly #clients = new Set<string>();
  #restMs = 0;
  #restsUntilMs = -Infinity;
  #isTrying = false;

  /** Whether to ask now; who is told so calls `succeeded`, `failed` or `undecided`. */
  mayAsk(nowMs: number): boolean {
    if (this.#restMs === 0) return true;
    if (nowMs < this.#restsUntilMs || this.#isTrying) return false;
    this.#isTrying = true;
    return true;
  }

  succeeded(): void {
    this.#count = 0;
    this.#clients.clear();
    this.#restMs = 0;
    this.#isTrying = false;
  }

  failed({ nowMs, clientAddress, isDead }: FilterFailureFacts): void {
    if (this.#restMs > 0) {
      // Those asked before the rest began say nothing new.
      if (this.#isTrying) this.#rest(nowMs);
      return;
    }
    this.#count += isDead || !this.#clients.has(clientAddress) ? 1 : REPEATED;
    if (!isDead) this.#clients.add(clientAddress);
    if (this.#count >= FAILURES_TO_REST) this.#rest(nowMs);
  }

  /** It was asked and told to stop, or its answer says nothing of its health. */
  undecided(): void {
    this.#isTrying = false;
  }

  #rest(nowMs: number): void {
    this.#restMs = Math.min(Math.max(FIRST_REST_MS, 2 * this.#restMs), MAX_REST_MS);
    this.#restsUntilMs = nowMs + this.#restMs;
    this.#isTrying = false;
  }
}
