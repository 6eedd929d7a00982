/**
 * Reads reports about single messages: failures of authentication (RFC 6591, RFC 9991) and complaints in the
 * same form (ARF, RFC 5965). Of the message reported it takes no more than what names it.
 */
import { readHeaderSection } from "../../mail/header_section.ts";
import type { FailureReport, Reading } from "./report.ts";
import { addressOf, domainOf, lineOf, optionalLine, wholeNumber } from "./stranger_text.ts";

/** No honest one is longer. */
const MAX_FIELDS_OCTETS = 65_536;
const MAX_INCIDENTS = 1_000_000_000;

/**
 * @param part the part `message/feedback-report`, decoded.
 * @param original the message reported or its header section; `null` when it is not there.
 */
export function parseFailureReport(
  part: Uint8Array,
  original: Uint8Array | null,
): Reading<FailureReport> {
  const fields = readHeaderSection(withoutFirstBlock(part), { maxOctets: MAX_FIELDS_OCTETS });
  const feedbackType = optionalLine(fields.first("Feedback-Type")?.toLowerCase());
  if (feedbackType === null) return { kind: "fault", fault: "it has no feedback type" };
  const message = original === null ? null : readHeaderSection(original);
  const arrived = fields.first("Arrival-Date") ?? fields.first("Received-Date");
  return {
    kind: "report",
    report: {
      kind: "failure",
      feedbackType,
      authFailure: optionalLine(fields.first("Auth-Failure")?.toLowerCase()),
      domain: domainOf(fields.first("Reported-Domain")),
      organization: reporterOf(fields.first("Reporting-MTA")) ??
        lineOf(fields.first("User-Agent") ?? ""),
      sourceAddress: addressOf(fields.first("Source-IP")),
      arrivedAtMs: dateOf(arrived),
      incidents: wholeNumber(fields.first("Incidents"), MAX_INCIDENTS) ?? 1,
      originalMailFrom: mailboxOf(fields.first("Original-Mail-From")),
      deliveryResult: optionalLine(fields.first("Delivery-Result")?.toLowerCase()),
      identityAlignment: optionalLine(fields.first("Identity-Alignment")?.toLowerCase()),
      authenticationResults: optionalLine(fields.first("Authentication-Results")),
      messageId: optionalLine(message?.first("Message-ID")),
      headerFrom: optionalLine(message?.first("From")),
    },
  };
}

/** Some begin with an empty line, or with another header section of their own before the one that counts. */
function withoutFirstBlock(part: Uint8Array): Uint8Array {
  const first = readHeaderSection(part, { maxOctets: MAX_FIELDS_OCTETS });
  if (first.has("Feedback-Type") || !first.isTerminated) return part;
  return part.subarray(first.bodyOctet);
}

/** `dns; mx.example.org` */
function reporterOf(text: string | null): string | null {
  return optionalLine(text?.slice(text.indexOf(";") + 1));
}

function mailboxOf(text: string | null): string | null {
  return optionalLine(text?.replace(/[<>]/g, ""));
}

function dateOf(text: string | null): number | null {
  const ms = Date.parse(lineOf(text ?? "").replace(/ \([A-Za-z]{1,5}\)$/, ""));
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}
