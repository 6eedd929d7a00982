/** Calls that are broken off while they run, which only V8 itself can do. */
import vm from "node:vm";

const context = vm.createContext({ call: null });
const script = new vm.Script("call()");
// What is called may put another clock in its place.
const now = performance.now.bind(performance);
/**
 * V8's own limit lies behind ours by so much. In Deno 2.9 one that strikes as a call returns strikes whatever runs
 * next, and ends the process; so no call returns between the two.
 */
const MARGIN_MS = 250;

/**
 * What `call` answers; `null` when it kept its thread for longer, and was ended in the middle of what it did. What
 * an `async` function does behind its first `await` is not bounded by this. @throws what it throws.
 *
 * @param timeoutMs a whole number.
 */
export function callWithin(
  timeoutMs: number,
  call: () => unknown,
): { readonly value: unknown } | null {
  const endMs = now() + timeoutMs;
  context.call = () => {
    try {
      return call();
    } finally {
      if (now() > endMs) waitForTheEnd();
    }
  };
  try {
    return { value: script.runInContext(context, { timeout: timeoutMs + MARGIN_MS }) };
  } catch (error) {
    if (isTimeout(error)) return null;
    throw error;
  } finally {
    context.call = null;
  }
}

function waitForTheEnd(): never {
  for (;;);
}

function isTimeout(error: unknown): boolean {
  // Of the other context's Error.
  return typeof error === "object" && error !== null && "code" in error &&
    error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}
