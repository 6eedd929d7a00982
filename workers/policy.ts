/** The thread of a policy, beside a session worker: loads the operator's module and asks its hooks. */
import { callWithin } from "../engine/filters/node_call_within.ts";
import { loadPolicy } from "../engine/filters/node_policy_module.ts";
import { askHook, describeError } from "../engine/filters/policy_thread.ts";
import type { FromPolicyThread, ToPolicyThread } from "../engine/filters/policy_wire.ts";

// A worker's global scope, which Deno's types do not know apart from a window's.
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<ToPolicyThread>) => void) | null;
  postMessage(message: FromPolicyThread): void;
};
// The module's own code may put something else in its place.
const post = scope.postMessage.bind(scope);

// A thread that leaves without a word looks like one that is busy for ever.
const stay = (): never => {
  throw new Error("a policy does not end its thread");
};
Object.defineProperty(self, "close", { value: stay });
Object.defineProperty(Deno, "exit", { value: stay });

// What no hook's answer waits for ends no thread, in which others wait for theirs.
addEventListener("error", (event) => {
  event.preventDefault();
  post({ kind: "complaint", detail: describeError(event.error) });
});
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  post({ kind: "complaint", detail: describeError(event.reason) });
});

scope.onmessage = async ({ data }) => {
  if (data.kind === "leave") return post({ kind: "leaving" });
  if (data.kind !== "load") throw new Error(`policy thread: expected "load", got ${data.kind}`);
  const { path, timeoutMs } = data;
  const loaded = await loadPolicy(path);
  if (loaded.kind === "unusable") return post(loaded);
  const { policy, hooks } = loaded;
  scope.onmessage = ({ data }) => {
    if (data.kind === "leave") post({ kind: "leaving" });
    else if (data.kind === "ask") askHook(policy, data, { timeoutMs, callWithin, tell: post });
  };
  post({ kind: "ready", hooks });
};
