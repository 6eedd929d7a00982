/**
 * How late a thread's event loop runs: a timer that should fire at even intervals, measured by how
 * much later it does. (`monitorEventLoopDelay` counts in units of its own under Deno.)
 */

const INTERVAL_MS = 250;

export interface LoopLagOptions {
  readonly observe: (lagSeconds: number) => void;
  /** Milliseconds of a clock that never steps back. */
  readonly now?: () => number;
  readonly intervalMs?: number;
}

/** Samples until disposed of; does not keep the process alive. */
export function sampleLoopLag(options: LoopLagOptions): Disposable {
  const { observe, now = () => performance.now(), intervalMs = INTERVAL_MS } = options;
  let dueMs = now() + intervalMs;
  const timer = setInterval(() => {
    const nowMs = now();
    observe(Math.max(0, nowMs - dueMs) / 1000);
    dueMs = nowMs + intervalMs;
  }, intervalMs);
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
