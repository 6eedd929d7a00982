/**
 * Counters all workers and nodes share: how much of something happened within a window of time. They are
 * approximate by design, kept nowhere on disk, and gone when their window is over.
 */

/** A window slides: what was counted in the window before weighs by the part of it still covered. */
export interface CounterWindow {
  /** At most 256 octets of printable ASCII; stores put their own prefix before it. */
  readonly key: string;
  readonly windowMs: number;
}

export interface Claim extends CounterWindow {
  /** What the window may hold at the most. */
  readonly limit: number;
  /** How much is asked for. */
  readonly amount: number;
}

export type Taken =
  | { readonly kind: "granted" }
  /** Nothing was counted. `claim`: the first that does not fit; `retryAfterMs`: when it would. */
  | { readonly kind: "refused"; readonly claim: number; readonly retryAfterMs: number };

export interface Counters {
  /** All claims at once or none of them. @throws {StoreUnavailableError} */
  take(claims: readonly Claim[]): Promise<Taken>;
  /** Counts without a limit; answers what each window then holds. @throws {StoreUnavailableError} */
  add(counts: readonly (CounterWindow & { amount: number })[]): Promise<readonly number[]>;
  /** Takes back what was counted; what a window no longer holds is let be. @throws {StoreUnavailableError} */
  giveBack(counts: readonly (CounterWindow & { amount: number })[]): Promise<void>;
  /** What each window holds. @throws {StoreUnavailableError} */
  read(windows: readonly CounterWindow[]): Promise<readonly number[]>;
  /** Forgets what was counted. @throws {StoreUnavailableError} */
  reset(windows: readonly CounterWindow[]): Promise<void>;
}
