/**
 * The side of a policy's own thread: asks its hooks, each within its time, and tells what came of it. A hook that
 * keeps the thread is broken off; one that does so behind an `await` cannot be, and is noticed on the other side.
 */
import { policyHeader } from "./policy_facts.ts";
import type { Hook, HookName, Policy } from "./policy_hooks.ts";
import { readVerdict } from "./policy_verdict.ts";
import type { FromPolicyThread, ToPolicyThread, WireMessageFacts } from "./policy_wire.ts";

const LATE = Symbol("late");

export interface PolicyThreadOptions {
  readonly timeoutMs: number;
  /** `null` for a call that was broken off because it took longer. @throws what `call` throws. */
  readonly callWithin: (
    timeoutMs: number,
    call: () => unknown,
  ) => { readonly value: unknown } | null;
  readonly tell: (message: FromPolicyThread) => void;
}

/** Never rejects: whatever the hook does is told. */
export async function askHook(
  policy: Policy,
  { call, hook, facts, untilMs }: Extract<ToPolicyThread, { kind: "ask" }>,
  { timeoutMs, callWithin, tell }: PolicyThreadOptions,
): Promise<void> {
  const late = (detail: string) => tell({ kind: "fault", call, fault: "late", detail });
  // Behind hooks that kept the thread; asking it as well would keep it from those who still wait.
  if (Date.now() > untilMs) return late("its thread did not come to it in time");
  const controller = new AbortController();
  const { promise: over, resolve } = Promise.withResolvers<typeof LATE>();
  const timer = setTimeout(() => {
    controller.abort();
    resolve(LATE);
  }, timeoutMs);
  try {
    const ask = policy[hook] as Hook<unknown, unknown> | undefined;
    const given = factsOf(hook, facts);
    const answering = callWithin(
      timeoutMs,
      () => ask?.call(policy, given, { signal: controller.signal }),
    );
    if (answering === null) {
      controller.abort();
      return late(`kept its thread for ${timeoutMs} ms, and was broken off`);
    }
    const answer = await Promise.race([answering.value, over]);
    if (answer === LATE) return late(`no answer within ${timeoutMs} ms`);
    const opinion = readVerdict(hook, answer);
    if (opinion.kind !== "nonsense") return tell({ kind: "answer", call, opinion });
    tell({ kind: "fault", call, fault: "nonsense", detail: opinion.reason });
  } catch (error) {
    tell({ kind: "fault", call, fault: "threw", detail: describeError(error) });
  } finally {
    clearTimeout(timer);
  }
}

/** One line, with the place in the module where it is known. */
export function describeError(error: unknown): string {
  try {
    if (!(error instanceof Error)) return oneLine(String(error));
    const place = /(?:file:\/\/)?([^\s()]+:\d+:\d+)/.exec(error.stack?.slice(0, 4_000) ?? "");
    const text = error.message.split("\n", 1)[0];
    return oneLine(`${error.name}: ${text}${place === null ? "" : ` (${place[1]})`}`);
  } catch {
    return "what it threw cannot be looked at";
  }
}

function oneLine(text: string): string {
  return text.slice(0, 300).replace(/[^ -~]/g, "?");
}

function factsOf(hook: HookName, wired: unknown): unknown {
  if (hook !== "onMessage") return deepFreeze(wired);
  const { fields, ...rest } = wired as WireMessageFacts;
  return deepFreeze({ ...rest, header: policyHeader(fields) });
}

/** Of what a structured clone made, so of bounded depth. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
