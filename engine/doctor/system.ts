/** Whether the stores answer, and agree with this machine on what time it is. */
import { type Check, type Finding, missing, right, warn, wrong } from "./finding.ts";

/** A store to ask; `nowMs` where it has a clock of its own. */
export interface StoreProbe {
  readonly name: string;
  /** The store's clock, or `null` once it answered. @throws whatever keeps it from answering */
  ask(): Promise<number | null>;
}

export interface SystemOptions {
  readonly nowMs: () => number;
  readonly timeoutMs: number;
}

/** Signatures and certificates begin to fail beyond; below, nobody minds. */
const CLOCK_WARN_MS = 5_000;
const CLOCK_WRONG_MS = 60_000;
const LONGEST_CAUSE = 200;

export type StoreAnswer =
  | { readonly kind: "answered"; readonly offsetMs: number | null }
  | { readonly kind: "silent" }
  | { readonly kind: "failed"; readonly cause: string };

export async function examineStores(
  stores: readonly StoreProbe[],
  options: SystemOptions,
): Promise<readonly Check[]> {
  const checks = await Promise.all(stores.map(async (store) => {
    const answer = await askStore(store, options);
    const ofStore = check(store.name, judgeStore(store.name, answer));
    return answer.kind === "answered" && answer.offsetMs !== null
      ? [ofStore, check(`clock by ${store.name}`, judgeClock(store.name, answer.offsetMs))]
      : [ofStore];
  }));
  return checks.flat();
}

async function askStore(
  store: StoreProbe,
  { nowMs, timeoutMs }: SystemOptions,
): Promise<StoreAnswer> {
  const { promise: late, resolve } = Promise.withResolvers<StoreAnswer>();
  const timer = setTimeout(() => resolve({ kind: "silent" }), timeoutMs);
  const ask = async (): Promise<StoreAnswer> => {
    const beforeMs = nowMs();
    const theirsMs = await store.ask();
    // Its clock was read somewhere on the way there and back; half of it is the best guess.
    const oursMs = (beforeMs + nowMs()) / 2;
    return { kind: "answered", offsetMs: theirsMs === null ? null : oursMs - theirsMs };
  };
  try {
    return await Promise.race([
      late,
      ask().catch((error: unknown): StoreAnswer => ({
        kind: "failed",
        cause: (error instanceof Error && error.message) || "no reason given",
      })),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

export function judgeStore(name: string, answer: StoreAnswer): Finding {
  switch (answer.kind) {
    case "answered":
      return right(`${name} answers`);
    case "silent":
      return {
        verdict: "unreachable",
        reason: `${name} does not answer in time`,
        mend: "see whether it runs and can be reached from here",
      };
    case "failed":
      return missing(`${name} cannot be used: ${answer.cause.slice(0, LONGEST_CAUSE)}`, "mend it");
  }
}

/** @param offsetMs how far our clock is ahead. */
export function judgeClock(name: string, offsetMs: number): Finding {
  const awayMs = Math.abs(offsetMs);
  const seconds = (awayMs / 1000).toFixed(1);
  const side = offsetMs < 0 ? "behind" : "ahead of";
  const reason = `this clock is ${seconds} s ${side} that of ${name}`;
  const mend = "keep both by NTP (timedatectl)";
  if (awayMs > CLOCK_WRONG_MS) return wrong(reason, mend);
  if (awayMs > CLOCK_WARN_MS) return warn(reason, mend);
  return right(`this clock and that of ${name} agree`);
}

function check(subject: string, finding: Finding): Check {
  return { ...finding, group: "system", subject, severity: "required" };
}
