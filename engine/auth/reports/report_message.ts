/**
 * The message an aggregate report travels in (RFC 9990 §3.5.2), and the addresses it goes to: those of `rua`
 * that are mailboxes and take a message of its size. Whether they may be sent it at all is not known here.
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { parseMailbox } from "../../mail/path.ts";
import { dateTime } from "../../mail/received.ts";
import { composeAggregateReport } from "./compose_aggregate.ts";
import type { AggregateReport } from "./report.ts";

export interface ReportMessageOptions {
  /** Who reports: a domain name. */
  readonly submitter: string;
  /** A mailbox. */
  readonly from: string;
  readonly to: string;
  readonly nowMs: number;
  /** 1 to 70 letters, digits and hyphens nobody can guess. */
  readonly boundary: string;
}

/** Where a report may go. */
export interface ReportAddress {
  readonly mailbox: string;
  readonly domain: string;
  /** `null`: any. */
  readonly maxOctets: number | null;
}

const gzipAsync = promisify(gzip);
const LINE_CHARACTERS = 76;
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** Packed; the same for every address the report goes to. */
export function packReport(report: AggregateReport): Promise<Uint8Array> {
  return gzipAsync(composeAggregateReport(report));
}

/** CRLF line ends, ASCII. */
export function reportMessage(
  report: AggregateReport,
  packed: Uint8Array,
  options: ReportMessageOptions,
): Uint8Array {
  const { submitter, from, to, nowMs, boundary } = options;
  const { domain } = report.policy;
  const name = reportFileName(report, submitter);
  const text = [
    `From: DMARC reports <${from}>`,
    `To: <${to}>`,
    `Subject: Report Domain: ${domain}`,
    `\tSubmitter: ${submitter}`,
    `\tReport-ID: <${report.reportId}>`,
    `Date: ${dateTime(nowMs)}`,
    `Message-ID: <${report.reportId}>`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: multipart/mixed;",
    `\tboundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "Content-Transfer-Encoding: 7bit",
    "",
    "This is a DMARC aggregate report (RFC 9990) about mail in the name of",
    `${domain}, as seen by ${submitter}.`,
    "",
    `--${boundary}`,
    "Content-Type: application/gzip",
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment;",
    `\tfilename="${name}"`,
    "",
    ...base64Lines(packed),
    `--${boundary}--`,
    "",
  ].join("\r\n");
  return Buffer.from(text, "latin1");
}

/** RFC 9990 §3.5.2 */
export function reportFileName({ policy, beginMs, endMs }: AggregateReport, submitter: string) {
  const seconds = [beginMs, endMs].map((ms) => Math.floor(ms / 1000));
  return `${submitter}!${policy.domain}!${seconds.join("!")}.xml.gz`;
}

/** Octets of a packed report in a message. */
export function encodedOctets(packed: Uint8Array): number {
  const characters = Math.ceil(packed.length / 3) * 4;
  return characters + 2 * Math.ceil(characters / LINE_CHARACTERS);
}

/** Reads one of the URIs of `rua` (RFC 9989 §4.7); `null` for what is no mailbox. */
export function reportAddress(uri: string): ReportAddress | null {
  const match = /^(?:mailto:)?([!-~]{1,320}?)(?:!(\d{1,12})([kmgt]?))?$/i.exec(uri.trim());
  if (match === null) return null;
  const [, text, size, unit] = match;
  // No mailbox needs another character.
  if (/%(?![2-7][0-9a-f])/i.test(text)) return null;
  const parsed = parseMailbox(unescaped(text.split("?")[0]));
  // No UTF-8: what it goes to was found in the DNS, and the message is ASCII.
  if (typeof parsed === "string" || parsed.isInternational || parsed.domain.startsWith("[")) {
    return null;
  }
  const maxOctets = size === undefined ? null : Number(size) * UNITS[unit.toLowerCase()];
  return { mailbox: parsed.mailbox, domain: parsed.domain, maxOctets };
}

/** RFC 6068 §2; `!` and `,` must be written so in `rua`. */
function unescaped(text: string): string {
  return text.replace(/%([2-7][0-9A-Fa-f])/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

function base64Lines(octets: Uint8Array): string[] {
  const text = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("base64");
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += LINE_CHARACTERS) {
    lines.push(text.slice(at, at + LINE_CHARACTERS));
  }
  return lines;
}
