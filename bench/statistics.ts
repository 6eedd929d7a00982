/** Medians and percentiles of what a run measured. */

import type { Percentiles } from "./measurement.ts";

/** Middle value, or the mean of the two middle ones; `null` for nothing. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Nearest-rank percentiles; all zero when there is no value. */
export function percentilesOf(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort();
  const count = sorted.length;
  const at = (share: number) =>
    count === 0 ? 0 : sorted[Math.min(count - 1, Math.max(0, Math.ceil(share * count) - 1))];
  return { count, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
