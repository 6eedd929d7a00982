/** What a judged message counts as in the report to the domain of its author (RFC 9990 §3). Pure. */
import type { AuthRule } from "../auth/auth_policy.ts";
import type { ObservedMessage } from "../auth/reports/feedback.ts";
import type { OverrideReason } from "../auth/reports/report.ts";
import type { MessageVerdict } from "./message_verdict.ts";
import type { JudgedMail } from "./observer.ts";

/** `null` for a message that was put off: it comes again. */
export function feedbackOf(
  mail: JudgedMail,
  { atMs }: { readonly atMs: number },
): ObservedMessage | null {
  const { clientAddress, reversePath, authentication, decidedBy, verdict } = mail;
  if (verdict.kind === "refused" && verdict.reply.severity !== "permanent") return null;
  const disposition = dispositionOf(verdict);
  const { dmarc } = authentication;
  const isOverridden = dmarc.verdict === "fail" && dmarc.policy !== "none" &&
    disposition !== dmarc.policy;
  return {
    ...{ clientAddress, reversePath, authentication, disposition, atMs },
    override: isOverridden ? overrideOf(decidedBy) : null,
    isSpam: rulesOf(verdict).includes("spam"),
  };
}

function dispositionOf(verdict: MessageVerdict): "none" | "quarantine" | "reject" {
  if (!rulesOf(verdict).includes("dmarc_fail")) return "none";
  return verdict.kind === "refused" ? "reject" : "quarantine";
}

function rulesOf(verdict: MessageVerdict): readonly string[] {
  if (verdict.kind === "refused") return [verdict.rule];
  return [verdict.held, verdict.tagged].flatMap((finding) => finding === null ? [] : finding.rule);
}

function overrideOf(rule: AuthRule): OverrideReason {
  switch (rule) {
    case "dmarc_arc":
      return { type: "trusted_forwarder", comment: "arc=pass" };
    case "dmarc_not_enforced":
      return { type: "policy_test_mode", comment: null };
    default:
      return { type: "local_policy", comment: null };
  }
}
