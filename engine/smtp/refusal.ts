/** Refusals no stage of the dialogue owns: what a bad line is answered, and how refusals are counted. */
import { type Reply, reply } from "../mail/reply.ts";
import type { LineFault } from "./command_stream.ts";
import type { SendingAnswer } from "../limits/sending_limit.ts";
import type { RefusalReason } from "./session.ts";

/** What a command line gets that cannot be read. */
export function lineFaultReply(fault: LineFault): Reply {
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

/** The metric's reason, by what the reply's enhanced status tells (RFC 3463). */
export function refusalReason({ code, enhancedStatus }: Reply): RefusalReason {
  switch (enhancedStatus?.slice(2)) {
    case "1.1":
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

/** What a user gets who sent all he may for now. */
export function limitReply(claim: Extract<SendingAnswer, { kind: "refused" }>): Reply {
  const minutes = Math.max(1, Math.ceil(claim.retryAfterMs / 60_000));
  return reply(
    452,
    "7.1",
    `Your limit is ${claim.limit} recipients ${claim.per === "hour" ? "an hour" : "a day"}, ` +
      `try again in ${minutes} ${minutes === 1 ? "minute" : "minutes"}`,
  );
}
