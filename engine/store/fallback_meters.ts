/**
 * Meters that outlive their store: while the shared ones are away, each worker counts for itself, so that mail goes
 * on, with limits that hold a worker rather than the cluster. What was counted alone stays alone.
 */
import { Fallback, type FallbackOptions } from "./fallback.ts";
import type { Meters } from "./meters.ts";

/** Never throws `StoreUnavailableError`, as long as `local` does not. */
export function fallbackMeters(options: FallbackOptions<Meters>): Meters {
  const fallback = new Fallback(options);
  return { pass: (claims) => fallback.ask((meters) => meters.pass(claims)) };
}
