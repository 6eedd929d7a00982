/** When a deferred delivery is attempted again (RFC 5321 §4.5.4.1). */

export interface RetrySchedule {
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** Each delay is this many times the one before. */
  readonly growth: number;
  /** A delivery older than this is given up. */
  readonly lifetimeMs: number;
}

export interface DeliveryAge {
  readonly queuedAtMs: number;
  /** Attempts finished, at least 1. */
  readonly attempts: number;
  readonly nowMs: number;
}

/**
 * When to attempt next, or `null` once the delivery outlives its schedule.
 * Spread over ±10 % so that a host that comes back does not meet its whole queue at once
 * (RFC 5321 §4.5.4.1).
 *
 * @param options `random` is uniform in [0, 1).
 */
export function nextAttemptAtMs(
  age: DeliveryAge,
  options: { readonly schedule: RetrySchedule; readonly random: () => number },
): number | null {
  const { schedule, random } = options;
  const grown = schedule.firstDelayMs * schedule.growth ** (age.attempts - 1);
  const delayMs = Math.min(grown, schedule.maxDelayMs) * (0.9 + 0.2 * random());
  const atMs = age.nowMs + Math.round(delayMs);
  return atMs < age.queuedAtMs + schedule.lifetimeMs ? atMs : null;
}
