/** Loads an operator's policy from its file. Runs whatever the module runs when it is loaded. */
import { pathToFileURL } from "node:url";
import type { HookName, Policy } from "./policy_hooks.ts";

export type LoadedPolicy =
  | { readonly kind: "policy"; readonly policy: Policy; readonly hooks: readonly HookName[] }
  /** `reason`: one line for people, with the file's name. */
  | { readonly kind: "unusable"; readonly reason: string };

const HOOKS: ReadonlySet<string> = new Set<HookName>([
  ...["onConnect", "onMail", "onRcpt", "onMessage", "onRoute"] as const,
]);

/** @param path of a module of TypeScript or JavaScript; relative to the working directory. */
export async function loadPolicy(path: string): Promise<LoadedPolicy> {
  let module: { readonly default?: unknown };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (error) {
    return unusable(path, readable(error));
  }
  const policy = module.default;
  if (typeof policy !== "object" || policy === null) {
    return unusable(path, "its default export is no object with hooks");
  }
  // A hook by a wrong name would never be asked, and nobody would notice.
  const unknown = Object.keys(policy).find((name) => /^on[A-Z]/.test(name) && !HOOKS.has(name));
  if (unknown !== undefined) {
    return unusable(path, `there is no hook ${unknown}, only ${[...HOOKS].join(", ")}`);
  }
  const hooks = [...HOOKS].filter((name) => name in policy) as HookName[];
  const broken = hooks.find((name) => typeof (policy as Policy)[name] !== "function");
  if (broken !== undefined) return unusable(path, `${broken} is no function`);
  return hooks.length === 0
    ? unusable(path, "its default export has no hooks")
    : { kind: "policy", policy: policy as Policy, hooks };
}

function unusable(path: string, reason: string): LoadedPolicy {
  return { kind: "unusable", reason: `${path}: ${reason}` };
}

/** Deno's own words for a module that does not load, in one line with line and column. */
function readable(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 300);
  const [text, ...more] = error.message.split("\n", 50);
  const place = /(?:file:\/\/)\S*?:(\d+:\d+)/.exec(more.join("\n")) ??
    /(?:file:\/\/)\S*?:(\d+:\d+)/.exec(error.stack?.slice(0, 4_000) ?? "");
  const line = text.slice(0, 300).replace(/[^ -~]/g, "?");
  return place === null ? line : `${line} (at ${place[1]})`;
}
