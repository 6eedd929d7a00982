/** Signals of the header section: what is missing, made up, or written to be noticed. */
import { parseDateTime } from "./date_time.ts";
import type { Findings } from "./findings.ts";
import { siteOf } from "./lookalike.ts";
import { isFromList } from "./mail_fields.ts";
import { findMailer } from "./signals_mailer.ts";
import { findSubject } from "./signals_subject.ts";
import type { MailView } from "./mail_view.ts";

const HOUR_MS = 3_600_000;
const MAX_HONEST_RECIPIENTS = 25;
/** RFC 5322 §3.6: at most once. */
const ONCE = ["from", "sender", "reply-to", "to", "cc", "message-id", "subject", "date"];

export function findHeader(view: MailView, findings: Findings): void {
  const { header, content } = view.facts;
  findDate(view, findings);
  findMessageId(view, findings);
  findFrom(view, findings);
  findRecipients(view, findings);
  findSubject(view, findings);
  findMailer(view, findings);
  for (const name of ONCE) {
    if (header.count(name, 2) > 1) findings.add("FIELD_TWICE", name);
  }
  if (!header.has("received")) findings.add("RECEIVED_NONE");
  if (content.defects.includes("eight_bit_header")) findings.add("HEADER_RAW_OCTETS");
  if (
    content.defects.includes("header_unterminated") ||
    content.defects.includes("header_line_without_colon")
  ) findings.add("HEADER_BROKEN");
}

function findDate({ facts: { header, nowMs } }: MailView, findings: Findings): void {
  const text = header.first("date");
  if (text === null) return findings.add("DATE_MISSING");
  const date = parseDateTime(text);
  if (date === null) return findings.add("DATE_INVALID", text);
  if (!date.isZoneReal) findings.add("DATE_ODD_ZONE", text);
  const aheadMs = date.atMs - nowMs;
  if (aheadMs > 12 * HOUR_MS) findings.add("DATE_FUTURE", text);
  if (aheadMs < -96 * HOUR_MS) findings.add("DATE_PAST", text);
}

const ID_FORM = /^<[^\s<>@]+@[^\s<>@]+>$/;

function findMessageId({ fields, facts, knowledge }: MailView, findings: Findings): void {
  const { messageId, from } = fields;
  if (messageId === null) return findings.add("MESSAGE_ID_MISSING");
  if (!ID_FORM.test(messageId)) return findings.add("MESSAGE_ID_INVALID", messageId);
  const host = messageId.slice(messageId.lastIndexOf("@") + 1, -1);
  if (!host.includes(".") || host.endsWith(".localdomain") || host.endsWith(".local")) {
    findings.add("MESSAGE_ID_LOCAL_HOST", host);
  }
  const author = siteOf(from?.domain ?? "");
  // Providers and the programs of their users name the provider; relays on the way keep what is there.
  const isElsewhere = siteOf(host) !== author && !isFromList(facts.header, fields);
  if (knowledge.freeMail.has(author) && isElsewhere) {
    findings.add("FREE_MAIL_ID_ELSEWHERE", `${host} for ${author}`);
  }
  const isForged = facts.authentication?.dmarc.verdict === "fail";
  if (author !== "" && siteOf(host) === author && !isForged) {
    findings.add("MESSAGE_ID_OF_AUTHOR", author);
  }
}

function findFrom({ fields: { from }, facts: { header } }: MailView, findings: Findings): void {
  if (from === null) return findings.add("FROM_MISSING");
  if (from.domain === "" || (!from.domain.includes(".") && from.domain[0] !== "[")) {
    findings.add("FROM_INVALID", from.address);
  }
  if (from.displayName === "") findings.add("FROM_NO_NAME");
  const field = header.first("from") ?? "";
  if (field.split("@", 4).length > 3 || field.split("<", 3).length > 2) findings.add("FROM_MANY");
  if (hasManyDigits(from.localPart)) findings.add("FROM_DIGITS", from.address);
}

/** Names made by programs: a long number behind letters, or letters and digits in turns. */
function hasManyDigits(localPart: string): boolean {
  if (localPart.length > 64) return false;
  const runs = localPart.match(/[0-9]+/g) ?? [];
  const isNumbered = /^[a-z._-]+[0-9]{5,}[a-z]{0,4}$/.test(localPart);
  return isNumbered || (runs.length >= 3 && /^[a-z0-9]+$/.test(localPart));
}

function findRecipients(view: MailView, findings: Findings): void {
  const { facts: { header, recipients }, fields } = view;
  if (!header.has("to") && !header.has("cc")) findings.add("TO_MISSING");
  const text = fields.recipients.toLowerCase();
  const addresses = text.split("@", MAX_HONEST_RECIPIENTS + 2).length - 1;
  if (addresses === 0) {
    if (header.has("to")) findings.add("TO_UNDISCLOSED", fields.recipients);
    return;
  }
  if (addresses > MAX_HONEST_RECIPIENTS) findings.add("TO_MANY");
  const from = fields.from?.address ?? "";
  if (addresses === 1 && from !== "" && text.includes(from)) findings.add("TO_IS_FROM", from);
  const isNamed = recipients.slice(0, 100).some((path) => text.includes(path.toLowerCase()));
  const isList = header.has("list-id") || header.has("list-post");
  if (recipients.length > 0 && !isNamed && !isList) findings.add("RECIPIENT_NOT_NAMED");
}
