/** What a policy's route makes of where a forward-path leads. */
import type { ExpandedRecipient, Expansion } from "../routing/expand.ts";
import type { RouteFacts } from "./policy_hooks.ts";
import type { RouteAnswer } from "./policy_runner.ts";

/** Asked about at once, of a group with many members. */
const AT_ONCE = 16;

/**
 * The expansion with its recipients sent where the policy says; the first refusal is that of all.
 *
 * @param ask never rejects.
 */
export async function routeExpansion(
  expansion: Expansion,
  context: {
    readonly ask: (facts: RouteFacts) => Promise<RouteAnswer>;
    readonly mayRelay: boolean;
    readonly nowMs: number;
  },
): Promise<Expansion> {
  if (expansion.kind === "refused") return expansion;
  const { ask, mayRelay, nowMs } = context;
  const recipients: ExpandedRecipient[] = [];
  for (let at = 0; at < expansion.recipients.length; at += AT_ONCE) {
    const some = expansion.recipients.slice(at, at + AT_ONCE);
    const answers = await Promise.all(some.map((recipient) =>
      ask({
        nowMs,
        forwardPath: recipient.forwardPath,
        destination: recipient.kind === "local" ? recipient.domain : recipient.destination,
        isLocal: recipient.kind === "local",
        mayRelay,
      })
    ));
    for (let n = 0; n < some.length; n++) {
      const answer = answers[n];
      if (answer.kind === "refused") return answer;
      recipients.push(answer.kind === "route" ? routed(some[n], answer.destination) : some[n]);
    }
  }
  return { kind: "recipients", recipients };
}

/** A local mailbox that lies elsewhere is no forward: the reverse-path stays. */
function routed(recipient: ExpandedRecipient, destination: string): ExpandedRecipient {
  return {
    kind: "remote",
    forwardPath: recipient.forwardPath,
    destination,
    forwardedBy: recipient.kind === "local" ? null : recipient.forwardedBy,
  };
}
