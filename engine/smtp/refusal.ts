/** Refusals no stage of the dialogue owns: what a bad line is answered, and how refusals are counted. */
import { type Reply, reply } from "../mail/reply.ts";
import type { LineFault } from "./command_stream.ts";
import type { SendingAnswer } from "../limits/sending_limit.ts";
import type { RefusalReason } from "./session.ts";

/**
 * What a line gets that cannot be read.
 * @param options `isResponse`: it stands in an AUTH exchange, in place of a command.
 */
export function lineFaultReply(
  fault: LineFault,
  options: { readonly isResponse: boolean },
): Reply {
  if (options.isResponse) {
    // RFC 4954 §4, §6
    return fault === "too_long"
      ? reply(500, "5.6", "Response too long")
      : reply(501, "5.2", "Cannot read this response");
  }
  switch (fault) {
    case "too_long":
      // RFC 5321 §4.5.3.1.9
      return reply(500, "5.2", "Line too long");
    case "bare_line_end":
      return reply(500, "5.2", "Line has a bare CR or LF; lines end in CRLF");
    case "nul":
      return reply(500, "5.2", "Line has a NUL octet");
  }
}

/** What mail gets that the worker has no memory for now (RFC 3463 §3.4). */
export const NO_MEMORY = reply(452, "3.1", "Too much mail in flight, try again later");

/** What mail gets for a mailbox that has no room for it (RFC 3463 §3.3). */
export function fullMailboxReply(whenFull: "defer" | "refuse"): Reply {
  return whenFull === "defer"
    ? reply(452, "2.2", "Mailbox full, try again later")
    : reply(552, "2.2", "Mailbox full");
}

/** The metric's reason, by what the reply's enhanced status tells (RFC 3463). */
export function refusalReason({ code, enhancedStatus }: Reply): RefusalReason {
  switch (enhancedStatus?.slice(2)) {
    case "1.1":
    case "2.2":
    case "2.4":
    case "5.3":
      return "recipients";
    case "1.7":
      return "sender";
    case "3.1":
      return "memory";
    case "3.4":
      return "size";
    case "4.6":
      return "hops";
    case "7.1":
      return code === 553 ? "sender" : "relay";
    case "7.0":
      return "policy";
    default:
      return "syntax";
  }
}

/** What a user gets who sent all he may for now, or asks for more than he ever may. */
export function limitReply(claim: Exclude<SendingAnswer, { kind: "granted" }>): Reply {
  const { limit, per } = claim;
  const known = `Your limit is ${limit} recipients ${per === "hour" ? "an hour" : "a day"}`;
  if (claim.kind === "too_many") return reply(550, "7.1", `${known}, this message has more`);
  const minutes = Math.max(1, Math.ceil(claim.retryAfterMs / 60_000));
  const wait = `${minutes} ${minutes === 1 ? "minute" : "minutes"}`;
  return reply(452, "7.1", `${known}, try again in ${wait}`);
}
