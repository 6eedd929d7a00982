/**
 * Replies of SMTP (RFC 5321 §4.2) with enhanced status codes (RFC 3463, RFC 2034). The class digit of
 * the enhanced status is taken from the basic code, here and in what remote servers say, so the two
 * cannot disagree. Does not decide which reply an event deserves.
 */

export type Severity = "ok" | "intermediate" | "transient" | "permanent";

/** The codes we say ourselves. */
export type OkCode = 211 | 214 | 220 | 221 | 235 | 250 | 251 | 252;
export type IntermediateCode = 334 | 354;
export type TransientCode = 421 | 450 | 451 | 452 | 454 | 455;
export type PermanentCode =
  | 500
  | 501
  | 502
  | 503
  | 504
  | 521
  | 530
  | 534
  | 535
  | 538
  | 550
  | 551
  | 552
  | 553
  | 554
  | 555
  | 556;

/** Subject and detail of an enhanced status, e.g. `1.5`. */
export type SubjectDetail = `${number}.${number}`;

export interface Reply {
  readonly severity: Severity;
  readonly code: number;
  /** RFC 3463 status; `null` for the greeting, HELO and EHLO (RFC 2034 §4), and all 3yz. */
  readonly enhancedStatus: string | null;
  /** One line a piece between line feeds. */
  readonly text: string;
}

/** A reply of ours; `null` in place of subject and detail leaves the enhanced status out. */
export function reply(
  code: OkCode | TransientCode | PermanentCode,
  subjectDetail: SubjectDetail | null,
  text: string,
): Reply {
  const enhancedStatus = subjectDetail === null
    ? null
    : `${Math.floor(code / 100)}.${subjectDetail}`;
  return { severity: severityOf(code), code, enhancedStatus, text };
}

/** A reply that asks for more; RFC 3463 §3.1 knows no class for it. */
export function intermediateReply(code: IntermediateCode, text: string): Reply {
  return { severity: "intermediate", code, enhancedStatus: null, text };
}

/** RFC 5321 §4.5.3.1.5, without the line end. */
const MAX_LINE_OCTETS = 510;
const MAX_LINES = 32;

/**
 * The reply as it goes over the wire, with its line ends. Characters beyond printable ASCII become `?`
 * (RFC 5321 §4.2 allows UTF-8 only to those who asked for it), lines are cut at 512 octets.
 */
export function formatReply(reply: Reply): string {
  const lines = reply.text.split(/\r?\n/, MAX_LINES);
  const status = reply.enhancedStatus === null ? "" : reply.enhancedStatus + " ";
  let wire = "";
  for (let at = 0; at < lines.length; at++) {
    const separator = at < lines.length - 1 ? "-" : " ";
    const text = lines[at].replace(/[^ -~]/g, "?");
    // RFC 2034 §4: every line bears the enhanced status.
    wire += `${reply.code}${separator}${status}${text}`.slice(0, MAX_LINE_OCTETS) + "\r\n";
  }
  return wire;
}

/** What a remote server said. */
export interface RemoteReply {
  readonly severity: Severity;
  readonly code: number;
  /** Its class digit is the code's, whatever the server wrote; `null` when it gave none. */
  readonly enhancedStatus: string | null;
  /** One line of at most 512 characters, without codes and control characters. */
  readonly text: string;
}

/** What is read of a reply at the most; servers that say more are not worth more. */
const MAX_REMOTE_CHARACTERS = 4096;
const MAX_TEXT_CHARACTERS = 512;

const REMOTE_LINE = /^([2-5][0-9]{2})(?:[- ](.*))?$/;
const REMOTE_STATUS = /^[245]\.([0-9]{1,3}\.[0-9]{1,3})(?=$|[ ,:;-])[ ,:;-]*/;

/** Reads a remote server's reply of one or several lines; `null` when it starts with no reply code. */
export function parseReply(text: string): RemoteReply | null {
  const lines = text.slice(0, MAX_REMOTE_CHARACTERS).split(/\r?\n/).map(printable);
  const first = REMOTE_LINE.exec(lines[0]);
  if (first === null) return null;
  const code = Number(first[1]);
  const severity = severityOf(code);
  let subjectDetail: string | null = null;
  const said: string[] = [];
  for (const line of lines) {
    // A line of another code, or of none, is still part of what was said.
    const match = REMOTE_LINE.exec(line);
    const rest = match !== null && match[1] === first[1] ? match[2] ?? "" : line;
    const status = REMOTE_STATUS.exec(rest);
    if (status !== null) subjectDetail ??= normalizeStatus(status[1]);
    const words = (status === null ? rest : rest.slice(status[0].length)).trim();
    if (words !== "") said.push(words);
  }
  return {
    severity,
    code,
    enhancedStatus: subjectDetail === null || severity === "intermediate"
      ? null
      : `${first[1][0]}.${subjectDetail}`,
    text: said.join(" ").slice(0, MAX_TEXT_CHARACTERS).toWellFormed(),
  };
}

/** The severity a reply code's first digit tells (RFC 5321 §4.2.1). */
export function severityOf(code: number): Severity {
  if (code >= 500) return "permanent";
  if (code >= 400) return "transient";
  return code >= 300 ? "intermediate" : "ok";
}

/** RFC 3463 §2: no leading zeros. */
function normalizeStatus(subjectDetail: string): string {
  return subjectDetail.split(".").map((part) => String(Number(part))).join(".");
}

/** The line with control characters, also C1 and those that turn the writing direction, as spaces. */
function printable(line: string): string {
  // deno-lint-ignore no-control-regex
  return line.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, " ");
}
