/**
 * What the header fields of a message say, read as generously as the programs of those who receive it: what they
 * would show counts, not what is correct.
 */
import type { HeaderSection } from "../mail/header_section.ts";
import { normalizeDomainOrLiteral } from "../mail/domain.ts";
import { decodeWords } from "./encoded_words.ts";

export interface Mailbox {
  /** Decoded; empty when there is none. */
  readonly displayName: string;
  /** In lower case. */
  readonly address: string;
  readonly localPart: string;
  /** As `normalizeDomainOrLiteral` gives it; empty when it is no domain. */
  readonly domain: string;
}

export interface MailFields {
  /** Decoded; `null` when there is none. */
  readonly subject: string | null;
  readonly rawSubject: string;
  /** `null` when there is no such field. */
  readonly from: Mailbox | null;
  readonly replyTo: Mailbox | null;
  /** To and Cc, undecoded. */
  readonly recipients: string;
  readonly messageId: string | null;
  /** Of X-Mailer or User-Agent; empty when there is neither. */
  readonly mailer: string;
}

export function readFields(header: HeaderSection): MailFields {
  const rawSubject = header.first("subject");
  const to = header.first("to");
  const cc = header.first("cc");
  return {
    subject: rawSubject === null ? null : decodeWords(rawSubject),
    rawSubject: rawSubject ?? "",
    from: mailboxOf(header.first("from")),
    replyTo: mailboxOf(header.first("reply-to")),
    recipients: [to, cc].filter((field) => field !== null).join(", "),
    messageId: header.first("message-id"),
    mailer: header.first("x-mailer") ?? header.first("user-agent") ?? "",
  };
}

/**
 * Whether a list passed the message on, as far as the fields of the list tell. What such mail names besides is the
 * list's as often as the author's.
 */
export function isFromList(header: HeaderSection, { replyTo, recipients }: MailFields): boolean {
  if (header.has("list-id") || header.has("list-post") || header.has("mailing-list")) return true;
  return replyTo !== null && replyTo.address.includes("@") &&
    recipients.toLowerCase().includes(replyTo.address);
}

/** The last address a field names, and whatever stands before it. */
export function mailboxOf(field: string | null): Mailbox | null {
  if (field === null) return null;
  const open = field.lastIndexOf("<");
  const close = field.indexOf(">", open);
  const isNamed = open >= 0 && field.includes("@", open);
  const [name, text] = isNamed
    ? [field.slice(0, open), field.slice(open + 1, close < 0 ? undefined : close)]
    : splitComment(field);
  const address = text.trim().toLowerCase();
  const at = address.lastIndexOf("@");
  return {
    displayName: decodeWords(name.trim()).replaceAll('"', "").trim(),
    address,
    localPart: at < 0 ? address : address.slice(0, at),
    domain: at < 0 ? "" : normalizeDomainOrLiteral(address.slice(at + 1)) ?? "",
  };
}

/** `ann@example.org (Ann)`, as it was written long ago. */
function splitComment(field: string): [name: string, address: string] {
  const open = field.indexOf("(");
  return open < 0 ? ["", field] : [field.slice(open + 1).replace(")", ""), field.slice(0, open)];
}
