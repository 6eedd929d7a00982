/**
 * The arithmetic of a sliding window: two fixed buckets of its length, the earlier weighed by the part of
 * it still covered. It takes two numbers a key, and errs only as far as what was counted in the earlier
 * bucket was not spread evenly. `lua/counter_window.lua` says the same to Redis; keep them alike.
 */
import type { Claim, CounterWindow } from "./counters.ts";

/** Windows one call may name. */
const MAX_WINDOWS = 64;
const KEY = /^[ -~]{1,256}$/;

export interface WindowState {
  readonly windowMs: number;
  /** Since the later bucket began; 0 up to `windowMs`. */
  readonly elapsedMs: number;
  /** Counted in the later bucket, and in the one before. */
  readonly current: number;
  readonly previous: number;
}

/** What the window holds, not rounded. */
export function heldIn(state: WindowState): number {
  const { windowMs, elapsedMs, current, previous } = state;
  return current + previous * (windowMs - elapsedMs) / windowMs;
}

/** The buckets once an amount is taken back, from the later one first: it was counted not long ago. */
export function withoutAmount(
  { current, previous }: Pick<WindowState, "current" | "previous">,
  amount: number,
): Pick<WindowState, "current" | "previous"> {
  return {
    current: Math.max(0, current - amount),
    previous: Math.max(0, previous - Math.max(0, amount - current)),
  };
}

/**
 * How long until the window holds no more than `room`, if nothing is counted until then. Where it never
 * will, as `room` is negative, how long until it is empty.
 */
export function roomAfterMs(state: WindowState, room: number): number {
  const { windowMs, elapsedMs, current, previous } = state;
  if (room < 0) return 2 * windowMs - elapsedMs;
  if (heldIn(state) <= room) return 0;
  if (current <= room) {
    return windowMs - Math.floor((room - current) * windowMs / previous) - elapsedMs;
  }
  return 2 * windowMs - Math.floor(room * windowMs / current) - elapsedMs;
}

/**
 * The bucket a time falls into, given the one last counted in. A clock that went back a little stands
 * still; one that went back by more was wrong before, and what was counted then is forgotten.
 */
export function bucketAt(nowMs: number, windowMs: number, last: number): number {
  const index = Math.floor(nowMs / windowMs);
  return last === index + 1 ? last : index;
}

/** @throws {RangeError} when a caller asks for what counters do not promise. */
export function checkWindows(
  windows: readonly (CounterWindow & { readonly amount?: number; readonly limit?: number })[],
): void {
  if (windows.length > MAX_WINDOWS) throw new RangeError(`more than ${MAX_WINDOWS} counters`);
  for (const { key, windowMs, amount = 0, limit = 0 } of windows) {
    if (!KEY.test(key)) throw new RangeError("a counter's key is 1 to 256 printable octets");
    if (!isCount(windowMs) || windowMs === 0) throw new RangeError(`no window: ${windowMs} ms`);
    if (!isCount(amount)) throw new RangeError(`no amount: ${amount}`);
    if (!isCount(limit)) throw new RangeError(`no limit: ${limit}`);
  }
}

/** How much room a claim needs the window to have before it is counted; negative if it never fits. */
export function roomFor(claim: Claim): number {
  return claim.limit - claim.amount;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
