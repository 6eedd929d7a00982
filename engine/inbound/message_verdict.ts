/**
 * What becomes of a message by all that was found about it: the sternest opinion counts, refused before deferred
 * before held before tagged; what the operator's policy accepts, nothing else speaks against. Pure.
 */
import type { AuthDecision } from "../auth/auth_policy.ts";
import type { FilterJudgement } from "../filters/run_filters.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { InboundRefusalReason } from "../smtp/inbound.ts";
import type { SpamVerdict } from "../spam/verdict.ts";
import type { PolicyStanding } from "./hooks.ts";

export interface Opinions {
  readonly authentication: AuthDecision;
  readonly filters: FilterJudgement;
  /** `null` where nothing is scored. */
  readonly spam: {
    readonly verdict: SpamVerdict;
    readonly isSuspicious: boolean;
    readonly points: number;
  } | null;
  /** What the operator's policy said at each stage. */
  readonly standing: PolicyStanding;
  /** What it refuses the message with; `null`: it does not. */
  readonly refusedByPolicy: Reply | null;
  readonly dmarcQuarantine: "junk" | "hold";
}

/** A rule's opinion, and one line for people. */
export interface Finding {
  readonly rule: string;
  readonly explanation: string;
}

export type MessageVerdict =
  | {
    readonly kind: "refused";
    readonly rule: string;
    readonly reason: InboundRefusalReason;
    readonly reply: Reply;
  }
  | {
    readonly kind: "accepted";
    /** Kept from delivery by this rule. */
    readonly held: Finding | null;
    /** Looks like spam to its reader by this rule. */
    readonly tagged: Finding | null;
    /** Suspicious enough for senders not met before to be put off. */
    readonly isSuspicious: boolean;
  };

const ACCEPTED: MessageVerdict = {
  kind: "accepted",
  held: null,
  tagged: null,
  isSuspicious: false,
};

export function messageVerdict(opinions: Opinions): MessageVerdict {
  const { authentication, filters, spam, standing } = opinions;
  if (standing.isAccepted) return ACCEPTED;
  const refusals = refusalsOf(opinions);
  const refusal = refusals.find(({ reply }) => reply.severity === "permanent") ?? refusals.at(0);
  if (refusal !== undefined) return { kind: "refused", ...refusal };
  const held: Finding[] = [];
  const tagged: Finding[] = [];
  if (standing.hold !== null) held.push({ rule: "policy", explanation: standing.hold });
  if (filters.kind === "passed" && filters.quarantine !== null) {
    const { filter: rule, reason: explanation } = filters.quarantine;
    held.push({ rule, explanation });
  }
  if (authentication.kind === "quarantine") {
    const { rule, explanation } = authentication;
    (opinions.dmarcQuarantine === "hold" ? held : tagged).push({ rule, explanation });
  }
  if (spam?.verdict === "quarantine") held.push(spamFinding(spam));
  if (spam?.verdict === "tag" || spam?.verdict === "quarantine") tagged.push(spamFinding(spam));
  return {
    kind: "accepted",
    held: held.at(0) ?? null,
    // Once it is let go, it was looked at and is none.
    tagged: held.length > 0 ? null : tagged.at(0) ?? null,
    isSuspicious: spam?.isSuspicious ?? false,
  };
}

function refusalsOf({ authentication, filters, spam, refusedByPolicy }: Opinions) {
  const refusals: { rule: string; reason: InboundRefusalReason; reply: Reply }[] = [];
  if (refusedByPolicy !== null) {
    refusals.push({ rule: "policy", reason: "policy", reply: refusedByPolicy });
  }
  if (authentication.kind === "reject" || authentication.kind === "defer") {
    const { rule, reply } = authentication;
    refusals.push({ rule, reason: "authentication", reply });
  }
  if (filters.kind === "refused") {
    refusals.push({ rule: filters.filter, reason: "filter", reply: filters.reply });
  }
  if (spam?.verdict === "reject") {
    const text = "Message looks like spam; if it is none, tell the postmaster here";
    refusals.push({ rule: "spam", reason: "spam", reply: reply(550, "7.1", text) });
  }
  return refusals;
}

function spamFinding({ points }: { readonly points: number }): Finding {
  return { rule: "spam", explanation: `spam score ${points.toFixed(1)}` };
}
