/**
 * How an attempt ended for one recipient, and what the peer's words or our troubles mean for it
 * (RFC 5321 §4.2.1, RFC 3463). Decides delivered, deferred or failed; not when to try again.
 */
import { parseReply, type RemoteReply } from "../mail/reply.ts";
import type { MailHosts } from "./mx.ts";

export interface AttemptOutcome {
  readonly kind: "delivered" | "deferred" | "failed";
  /** RFC 3463; its class agrees with `kind`. */
  readonly enhancedStatus: string;
  /** The peer's reply or our own words, one line of at most 512 characters. */
  readonly diagnostic: string;
}

/** Subject and detail where the peer gave none, by the step it answered. */
export type ReplyContext = "connect" | "mail" | "rcpt" | "data";

const DETAIL: Record<ReplyContext, string> = {
  connect: "4.0",
  mail: "1.0",
  rcpt: "1.0",
  data: "6.0",
};
const CLASS = { delivered: "2", deferred: "4", failed: "5" } as const;

/** What a reply means; text that is no reply counts as a passing fault of the peer's. */
export function outcomeOfReply(text: string, context: ReplyContext): AttemptOutcome {
  const reply = parseReply(text);
  if (reply === null) return deferred("5.0", `unintelligible reply: ${oneLine(text)}`);
  // RFC 5321 §4.2.1: 5yz is final, 2yz is done, and anything else was not what we asked for.
  const kind = reply.severity === "ok"
    ? "delivered"
    : reply.severity === "permanent" && !isTooManyRecipients(reply, context)
    ? "failed"
    : "deferred";
  const subjectDetail = reply.enhancedStatus?.slice(2) ??
    (kind === "delivered" ? "0.0" : DETAIL[context]);
  return {
    kind,
    enhancedStatus: `${CLASS[kind]}.${subjectDetail}`,
    diagnostic: oneLine(`${reply.code} ${reply.enhancedStatus ?? ""} ${reply.text}`),
  };
}

/** RFC 5321 §4.5.3.1.10: 552 to RCPT is what servers of old say instead of 452. */
function isTooManyRecipients(reply: RemoteReply, context: ReplyContext): boolean {
  return context === "rcpt" && reply.code === 552 &&
    (reply.enhancedStatus === null || reply.enhancedStatus === "5.5.3");
}

/** A passing trouble that no reply tells of. */
export function deferred(subjectDetail: string, diagnostic: string): AttemptOutcome {
  return {
    kind: "deferred",
    enhancedStatus: `4.${subjectDetail}`,
    diagnostic: oneLine(diagnostic),
  };
}

export function failed(subjectDetail: string, diagnostic: string): AttemptOutcome {
  return { kind: "failed", enhancedStatus: `5.${subjectDetail}`, diagnostic: oneLine(diagnostic) };
}

/** What it means that a destination has no host to deliver to. */
export function outcomeWithoutHost(
  hosts: Exclude<MailHosts, { readonly kind: "hosts" }>,
  destination: string,
): AttemptOutcome {
  switch (hosts.kind) {
    case "null_mx":
      // RFC 7505 §4.2
      return failed("1.10", `${destination} takes no mail (null MX)`);
    case "no_such_domain":
      return failed("1.2", `there is no domain ${destination}`);
    case "no_mail_host":
      return failed("4.4", `${destination} has no host that takes mail`);
    case "loops_to_us":
      return failed("4.6", `mail for ${destination} loops back to this server`);
    case "tempfail":
      return deferred("4.3", `DNS does not answer for ${destination} (${hosts.reason})`);
  }
}

const MAX_DIAGNOSTIC = 512;

function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\s]+/g, " ").trim().slice(0, MAX_DIAGNOSTIC)
    .toWellFormed();
}
