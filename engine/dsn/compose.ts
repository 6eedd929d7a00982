/**
 * Reports that a message could not be delivered: one for all its recipients who failed at one go
 * (RFC 3464 in the frame of RFC 6522, RFC 6533 for international addresses). Decides the report's words
 * and octets; the caller decides that a recipient failed, and sends the report from the null
 * reverse-path (RFC 5321 §4.5.5).
 */
import type { BodyType } from "../mail/envelope.ts";
import { type HeaderSection, readHeaderSection } from "../mail/header_section.ts";
import { dateTime } from "../mail/received.ts";
import { parseReply } from "../mail/reply.ts";
import type { AttemptRecord } from "../store/spool.ts";
import { explain } from "./explanation.ts";

export interface FailedRecipient {
  /** Mailbox without angle brackets, as we tried it. */
  readonly finalRecipient: string;
  /** What the sender called the recipient, if known and other (RFC 3461 §4.2). */
  readonly originalRecipient: string | null;
  readonly attempt: AttemptRecord;
}

export interface FailedMessage {
  readonly queueId: string;
  readonly reversePath: string;
  readonly arrivedAtMs: number;
  /** The message; only its header section is read. */
  readonly octets: Uint8Array;
  readonly recipients: readonly FailedRecipient[];
}

export interface ReportOptions {
  readonly reportingHost: string;
  /** Queue id the report will have; names its Message-ID. */
  readonly reportId: string;
  readonly nowMs: number;
  /** 1 to 70 letters, digits and hyphens nobody can guess. */
  readonly boundary: string;
}

/** A report ready to be queued, from the null reverse-path. */
export interface DeliveryReport {
  readonly reversePath: "";
  readonly forwardPath: string;
  readonly octets: Uint8Array;
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
}

/** Longest piece of the original's header section a report returns. */
const MAX_RETURNED_OCTETS = 32_768;
/** RFC 5322 §2.1.1, without the line end. */
const MAX_LINE_OCTETS = 998;
const TEXT_COLUMNS = 76;

/**
 * The report to the sender, or `null` where none may be sent: to the null reverse-path
 * (RFC 5321 §6.1), or about no recipient.
 */
export function reportFor(message: FailedMessage, options: ReportOptions): DeliveryReport | null {
  if (message.reversePath === "" || message.recipients.length === 0) return null;
  const header = readHeaderSection(message.octets, { maxOctets: MAX_RETURNED_OCTETS });
  const parts = [
    humanPart(message, options),
    statusPart(message, options),
    headersPart(message.octets.subarray(0, returnedOctets(message.octets, header))),
  ];
  const body = parts.map((part) => `--${options.boundary}\r\n${part}\r\n`).join("") +
    `--${options.boundary}--\r\n`;
  const bodyType: BodyType = isAscii(body) ? "7bit" : "8bitmime";
  const text = topHeader(message, options, { header, bodyType }) + "\r\n" + body;
  return {
    reversePath: "",
    forwardPath: message.reversePath,
    octets: new TextEncoder().encode(text),
    bodyType,
    smtpUtf8: !isAscii(message.reversePath),
  };
}

function topHeader(
  message: FailedMessage,
  options: ReportOptions,
  facts: { header: HeaderSection; bodyType: BodyType },
): string {
  const { reportingHost } = options;
  const original = MESSAGE_ID.exec(facts.header.first("Message-ID") ?? "")?.[0];
  return lines(
    `From: Mail Delivery System <MAILER-DAEMON@${reportingHost}>`,
    `To: <${oneLine(message.reversePath)}>`,
    "Subject: Your message could not be delivered",
    `Date: ${dateTime(options.nowMs)}`,
    `Message-ID: <${options.reportId}@${reportingHost}>`,
    // Lets mail programs show the report beside the message it is about.
    ...(original === undefined ? [] : [`In-Reply-To: ${original}`, `References: ${original}`]),
    // RFC 3834 §5
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=delivery-status;",
    `\tboundary="${options.boundary}"`,
    `Content-Transfer-Encoding: ${facts.bodyType === "7bit" ? "7bit" : "8bit"}`,
  );
}

function humanPart(message: FailedMessage, options: ReportOptions): string {
  const several = message.recipients.length > 1;
  const text = [
    `This is the mail server at ${options.reportingHost}.`,
    "",
    several
      ? "Your message could not be delivered to the recipients below."
      : "Your message could not be delivered to the recipient below.",
    "We have stopped trying.",
    ...message.recipients.flatMap((recipient) => [
      "",
      oneLine(recipient.finalRecipient),
      ...explainRecipient(recipient, message.arrivedAtMs),
    ]),
    "",
    `The message reached us on ${dateTime(message.arrivedAtMs)}.`,
    `If you ask for help, please name this reference: ${message.queueId}`,
  ];
  return part("text/plain; charset=utf-8", "Notification", lines(...text));
}

function explainRecipient(recipient: FailedRecipient, arrivedAtMs: number): string[] {
  const { attempt } = recipient;
  const { problem, advice } = explain(attempt.enhancedStatus);
  const said = diagnosticOf(attempt);
  const tried = attempt.enhancedStatus.startsWith("4.")
    ? wrap(`We tried for ${duration(attempt.endedAtMs - arrivedAtMs)}.`, "  ")
    : [];
  const source = isRemoteReply(attempt)
    ? `${isSocket(attempt) ? "The mail store" : `The server ${oneLine(attempt.mxHost!)}`} answered:`
    : "The technical reason:";
  return [
    ...wrap(problem, "  "),
    ...tried,
    ...wrap(advice, "  "),
    ...(said === "" ? [] : [...wrap(source, "  "), ...wrap(said, "    ")]),
  ];
}

/** RFC 3464 §2: fields of the message, an empty line, then those of each recipient. */
function statusPart(message: FailedMessage, options: ReportOptions): string {
  const global = message.recipients.some((recipient) =>
    !isAscii(recipient.finalRecipient) || !isAscii(recipient.originalRecipient ?? "")
  );
  const blocks = [
    lines(
      `Reporting-MTA: dns; ${options.reportingHost}`,
      `X-Queue-ID: ${message.queueId}`,
      `Arrival-Date: ${dateTime(message.arrivedAtMs)}`,
    ),
    ...message.recipients.map((recipient) => recipientFields(recipient, global)),
  ];
  const type = global ? "message/global-delivery-status" : "message/delivery-status";
  return part(type, "Delivery report", blocks.join("\r\n"));
}

function recipientFields(recipient: FailedRecipient, global: boolean): string {
  const { attempt, originalRecipient } = recipient;
  const diagnostic = diagnosticOf(attempt);
  const hasHost = attempt.mxHost !== null && !isSocket(attempt);
  const diagnosticType = isRemoteReply(attempt) ? "smtp" : "X-Sluice";
  const fields = [
    ...(originalRecipient === null ? [] : [`Original-Recipient: ${typed(originalRecipient)}`]),
    `Final-Recipient: ${typed(recipient.finalRecipient)}`,
    "Action: failed",
    `Status: ${attempt.enhancedStatus}`,
    ...(hasHost ? [`Remote-MTA: dns; ${oneLine(attempt.mxHost!)}`] : []),
    ...(diagnostic === ""
      ? []
      : wrap(`Diagnostic-Code: ${diagnosticType}; ${diagnostic}`, "", " ")),
    `Last-Attempt-Date: ${dateTime(attempt.endedAtMs)}`,
  ];
  const text = lines(...fields);
  // Only the global form may carry what is not ASCII (RFC 6533 §4).
  return global ? text : text.replace(/[^\t\r\n -~]/gu, "?");
}

/** An address with its type (RFC 3464 §2.3.1, RFC 6533 §3). */
function typed(address: string): string {
  return `${isAscii(address) ? "rfc822" : "utf-8"}; ${oneLine(address)}`;
}

/** Where the returned piece ends: with the header section, or its last whole line within the bound. */
function returnedOctets(octets: Uint8Array, header: HeaderSection): number {
  if (header.isTerminated || octets.length <= MAX_RETURNED_OCTETS) return header.sizeOctets;
  const lineEnd = octets.lastIndexOf(10, header.sizeOctets - 1);
  return lineEnd < 0 ? header.sizeOctets : lineEnd + 1;
}

/** RFC 6522 §4, or its global twin (RFC 6533 §5) for what is UTF-8. */
function headersPart(octets: Uint8Array): string {
  const text = new TextDecoder().decode(octets);
  const global = !isAscii(text) && !text.includes("\ufffd");
  const clean = text.split(/\r?\n/).map((line) =>
    // deno-lint-ignore no-control-regex
    cutOctets(line.replace(/[\x00\r]/g, global ? "" : "?"), MAX_LINE_OCTETS)
  ).filter((line) => line !== "");
  return global ? part("message/global-headers", "Header of your message", lines(...clean)) : part(
    "text/rfc822-headers",
    "Header of your message",
    lines(...clean).replace(/[^\t\r\n -~]/gu, "?"),
  );
}

function part(type: string, description: string, content: string): string {
  return lines(
    `Content-Type: ${type}`,
    `Content-Description: ${description}`,
    `Content-Transfer-Encoding: ${isAscii(content) ? "7bit" : "8bit"}`,
    "",
  ) + content;
}

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
const MESSAGE_ID = /<[!-;=?-~]{1,250}>/;

function isAscii(text: string): boolean {
  return ASCII.test(text);
}

function isRemoteReply(attempt: AttemptRecord): boolean {
  return attempt.mxHost !== null && parseReply(attempt.diagnostic) !== null;
}

/** Whether the peer was a socket on this machine: no name of DNS, and a path of no use to strangers. */
function isSocket({ mxHost }: AttemptRecord): boolean {
  return mxHost !== null && mxHost.startsWith("/");
}

function diagnosticOf(attempt: AttemptRecord): string {
  const { mxHost, diagnostic } = attempt;
  return oneLine(isSocket(attempt) ? diagnostic.replaceAll(mxHost!, "the mail store") : diagnostic);
}

function lines(...all: string[]): string {
  return all.length === 0 ? "" : all.join("\r\n") + "\r\n";
}

/** Text without line ends and other control characters, bounded to what fits one line. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  const clean = text.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
  return cutOctets(clean.toWellFormed(), MAX_LINE_OCTETS - 64);
}

/** The longest start of the text that takes no more octets than this, whole characters only. */
function cutOctets(text: string, maxOctets: number): string {
  if (text.length * 3 <= maxOctets) return text;
  const octets = new Uint8Array(maxOctets);
  return text.slice(0, new TextEncoder().encodeInto(text, octets).read);
}

/** Breaks at spaces; a word longer than the line stays whole. */
function wrap(text: string, indent: string, laterIndent = indent): string[] {
  const wrapped: string[] = [];
  let line = indent;
  let isEmpty = true;
  for (const word of text.split(/ +/)) {
    if (!isEmpty && line.length + 1 + word.length > TEXT_COLUMNS) {
      wrapped.push(line);
      line = laterIndent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  wrapped.push(line);
  return wrapped;
}

function duration(ms: number): string {
  const minutes = Math.max(1, Math.round(ms / 60_000));
  if (minutes < 120) return minutes === 1 ? "a minute" : `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}
