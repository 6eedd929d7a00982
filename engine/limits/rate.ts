/** Rates as people write them: `100/1m`, how many of something within how long. */

export interface Rate {
  /** At least 1; so many may also come at once. */
  readonly count: number;
  readonly periodMs: number;
}

const RATE = /^([1-9]\d{0,5}|1000000)\/([1-9]\d{0,3})?([smhd])$/;
const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const MAX_PERIOD_MS = 31 * UNITS_MS.d;

/**
 * Reads a count up to a million and, behind a slash, a period up to 31 days in seconds, minutes, hours or days;
 * `100/m` is `100/1m`. `null` for anything else.
 */
export function parseRate(text: string): Rate | null {
  const match = RATE.exec(text);
  if (match === null) return null;
  const [, count, times = "1", unit] = match;
  const periodMs = Number(times) * UNITS_MS[unit];
  return periodMs <= MAX_PERIOD_MS ? { count: Number(count), periodMs } : null;
}
