/**
 * Finds the reports in a message and reads them: DMARC aggregate reports, failure reports and TLS reports,
 * told by what they are and not by what they are called. Takes a bounded number of bounded parts. Whether
 * the message is from whom it says, and whom a report is for, is for the caller to judge.
 */
import { Buffer } from "node:buffer";
import { type HeaderSection, readHeaderSection } from "../../mail/header_section.ts";
import { parseAggregateReport } from "./aggregate_report.ts";
import { parseFailureReport } from "./failure_report.ts";
import { type MailPart, partsOf } from "./mail_parts.ts";
import type { ParsedReport, Reading } from "./report.ts";
import { parseTlsReport } from "./tls_report.ts";
import { unpack } from "./unpack.ts";

export interface ReportMail {
  readonly reports: readonly ParsedReport[];
  /** Why parts that looked like reports are none. */
  readonly faults: readonly string[];
}

/** Reports read of one message. */
const MAX_REPORTS = 4;
/** Larger parts are none; packed, the largest reports are some hundred kilobytes. */
const MAX_PART_OCTETS = 10 * 1024 * 1024;
const SPACE = /^[ \t\r\n]{0,256}/;
/** Text from here on is looked at for what it begins with. */
const HEAD_OCTETS = 512;
const XML_ENCODING = /^<\?xml[^>]{0,100}?\bencoding\s{0,5}=\s{0,5}["']([A-Za-z0-9._-]{1,40})["']/;

/** Octets of a message are read and not kept. */
export async function readReports(
  octets: Uint8Array,
  header: HeaderSection = readHeaderSection(octets),
): Promise<ReportMail> {
  const reports: ParsedReport[] = [];
  const faults: string[] = [];
  const parts = partsOf(octets, header);
  for (const [index, part] of parts.entries()) {
    if (reports.length + faults.length >= MAX_REPORTS) break;
    const reading = await readPart(part, parts[index + 1] ?? null);
    if (reading === null) continue;
    if (reading.kind === "report") reports.push(reading.report);
    else faults.push(reading.fault);
  }
  return { reports, faults };
}

/** `null` for a part that does not even look like a report. */
async function readPart(part: MailPart, next: MailPart | null): Promise<Reading | null> {
  if (part.sizeOctets > MAX_PART_OCTETS) return null;
  if (part.mediaType === "message/feedback-report") {
    const isOriginal = next !== null && next.sizeOctets <= MAX_PART_OCTETS &&
      (next.mediaType === "message/rfc822" || next.mediaType.startsWith("text/rfc822-header"));
    return parseFailureReport(part.octets(), isOriginal ? next.octets() : null);
  }
  if (part.mediaType.startsWith("message/")) return null;
  const octets = part.octets();
  const isPacked = octets[0] === 0x1f || octets[0] === 0x50;
  if (!isPacked && kindOf(octets) === null) return null;
  const unpacked = await unpack(octets);
  if (unpacked.kind === "fault") return { kind: "fault", fault: unpacked.fault };
  switch (kindOf(unpacked.octets)) {
    case "xml":
      return await parseAggregateReport(textOf(unpacked.octets), { pause });
    case "json":
      return parseTlsReport(textOf(unpacked.octets));
    case null:
      return isPacked ? { kind: "fault", fault: "neither XML nor JSON was packed" } : null;
  }
}

/** What octets look like: a DMARC report's XML, a TLS report's JSON, or neither. */
function kindOf(octets: Uint8Array): "xml" | "json" | null {
  const text = textOf(octets.subarray(0, HEAD_OCTETS)).replace(SPACE, "");
  if (text.startsWith("<?xml") || /^<(?:[\w-]{1,20}:)?feedback\b/.test(text)) return "xml";
  return text.startsWith("{") && text.includes('"') ? "json" : null;
}

/** By its mark (UTF-16, UTF-8) or its declaration; UTF-8 where they say nothing that is known. */
function textOf(octets: Uint8Array): string {
  if (octets[0] === 0xff && octets[1] === 0xfe) return new TextDecoder("utf-16le").decode(octets);
  if (octets[0] === 0xfe && octets[1] === 0xff) return new TextDecoder("utf-16be").decode(octets);
  const head = Buffer.from(octets.subarray(0, HEAD_OCTETS)).toString("latin1");
  const declared = XML_ENCODING.exec(head)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(declared).decode(octets);
  } catch {
    return new TextDecoder().decode(octets);
  }
}

/** Lets whatever else the thread has to do go first. */
function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
