/**
 * Meters all workers and nodes share: how fast something comes, by the generic cell rate algorithm (ITU-T I.371
 * §A.1), which is a leaky bucket. A meter takes a burst at once and empties evenly, so that there is no edge of a
 * window to wait for. Approximate by design, kept nowhere on disk, and gone once empty.
 */

/** A meter is known by its key and its rate: under another rate it is another meter. */
export interface MeterClaim {
  /** At most 256 octets of printable ASCII; stores put their own prefix before it. */
  readonly key: string;
  /** What may come at once; 1 up to a million. */
  readonly burst: number;
  /** In which a full meter empties, at most 31 days: `burst` a `periodMs` is what it lets pass in the long run. */
  readonly periodMs: number;
  /** How much comes, at least 1 and at most a million. */
  readonly amount: number;
}

export type Passage =
  | { readonly kind: "granted" }
  /**
   * Nothing was counted. `claim`: the first that does not fit; `retryAfterMs`: when it would. What is more than
   * the burst itself never fits, and is told when its meter is empty.
   */
  | { readonly kind: "refused"; readonly claim: number; readonly retryAfterMs: number };

export interface Meters {
  /** All claims at once or none of them. @throws {StoreUnavailableError} */
  pass(claims: readonly MeterClaim[]): Promise<Passage>;
}
