/** Calls that are broken off while they run, which only V8 itself can do. */
import vm from "node:vm";

const context = vm.createContext({ call: null });
const script = new vm.Script("call()");

/**
 * What `call` answers; `null` when it kept its thread for longer, and was ended in the middle of what it did. What
 * an `async` function does behind its first `await` is not bounded by this. @throws what it throws.
 */
export function callWithin(
  timeoutMs: number,
  call: () => unknown,
): { readonly value: unknown } | null {
  context.call = call;
  try {
    return { value: script.runInContext(context, { timeout: timeoutMs }) };
  } catch (error) {
    if (isTimeout(error)) return null;
    throw error;
  } finally {
    context.call = null;
  }
}

function isTimeout(error: unknown): boolean {
  // Of the other context's Error.
  return typeof error === "object" && error !== null && "code" in error &&
    error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}
