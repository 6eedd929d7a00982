/**
 * The arithmetic of a meter. It is one time: when the meter would be empty again, the theoretical arrival time of
 * I.371. It is kept in whole milliseconds and parts of one, a part being a `burst`-th, so that nothing is rounded.
 * `lua/meter_pass.lua` says the same to Redis; keep them alike.
 */
import type { MeterClaim } from "./meters.ts";

export interface MeterLevel {
  /** Unix ms. */
  readonly emptyAtMs: number;
  /** Behind that; less than `burst`. */
  readonly parts: number;
}

type Rate = Pick<MeterClaim, "burst" | "periodMs">;

/** How long empty meters are kept, for clocks are set back at times. */
export const CLOCK_SLACK_MS = 10_000;

/** Meters one call may name. */
const MAX_CLAIMS = 64;
const MAX_AMOUNT = 1_000_000;
/** With the highest amount still a safe integer. */
const MAX_PERIOD_MS = 31 * 86_400_000;
const KEY = /^[ -~]{1,256}$/;

/**
 * What is left of a level by now. One that is further off than a full meter was written by a clock that was ahead,
 * and counts as a full one.
 */
export function levelNow(
  level: MeterLevel | null,
  { periodMs }: Rate,
  nowMs: number,
): MeterLevel {
  if (level === null || level.emptyAtMs < nowMs) return { emptyAtMs: nowMs, parts: 0 };
  return isWithin(level, nowMs + periodMs) ? level : { emptyAtMs: nowMs + periodMs, parts: 0 };
}

/** The level once so much has come. */
export function raised(level: MeterLevel, amount: number, { burst, periodMs }: Rate): MeterLevel {
  const cost = amount * periodMs;
  const wholeMs = Math.floor(cost / burst);
  const parts = level.parts + cost - wholeMs * burst;
  const carryMs = parts >= burst ? 1 : 0;
  return { emptyAtMs: level.emptyAtMs + wholeMs + carryMs, parts: parts - carryMs * burst };
}

/** Whether the meter holds that level. */
export function fits(level: MeterLevel, { periodMs }: Rate, nowMs: number): boolean {
  return isWithin(level, nowMs + periodMs);
}

/**
 * How long until so much fits, given that it does not now.
 * @param level before it comes.
 */
export function fitsAfterMs(
  level: MeterLevel,
  amount: number,
  { rate, nowMs }: { readonly rate: Rate; readonly nowMs: number },
): number {
  if (amount > rate.burst) return Math.max(1, roundedUp(level) - nowMs);
  return roundedUp(raised(level, amount, rate)) - rate.periodMs - nowMs;
}

/** What a meter goes by in stores. */
export function meterName({ key, burst, periodMs }: MeterClaim): string {
  return `${burst}/${periodMs}:${key}`;
}

/** @throws {RangeError} when a caller asks for what meters do not promise. */
export function checkClaims(claims: readonly MeterClaim[]): void {
  if (claims.length > MAX_CLAIMS) throw new RangeError(`more than ${MAX_CLAIMS} meters`);
  for (const { key, burst, periodMs, amount } of claims) {
    if (!KEY.test(key)) throw new RangeError("a meter's key is 1 to 256 printable octets");
    if (!isUpTo(MAX_AMOUNT, burst)) throw new RangeError(`no burst: ${burst}`);
    if (!isUpTo(MAX_PERIOD_MS, periodMs)) throw new RangeError(`no period: ${periodMs} ms`);
    if (!isUpTo(MAX_AMOUNT, amount)) throw new RangeError(`no amount: ${amount}`);
  }
}

function isWithin({ emptyAtMs, parts }: MeterLevel, latestMs: number): boolean {
  return emptyAtMs < latestMs || (emptyAtMs === latestMs && parts === 0);
}

function roundedUp({ emptyAtMs, parts }: MeterLevel): number {
  return emptyAtMs + (parts > 0 ? 1 : 0);
}

function isUpTo(most: number, value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= most;
}
