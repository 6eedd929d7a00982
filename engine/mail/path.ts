/**
 * Reverse-paths and forward-paths as MAIL and RCPT carry them (RFC 5321 §4.1.2, §4.1.3, §4.5.3.1;
 * RFC 6531 §3.3). Decides whether the text is a path, and the one form we keep of it. Does not know
 * whether the mailbox exists, nor what a parameter means.
 */
import { MAX_DOMAIN_OCTETS, normalizeDomain, normalizeDomainOrLiteral } from "./domain.ts";
import { type Parameters, type ParametersFault, parseParameters } from "./parameters.ts";

/**
 * RFC 5321 §4.5.3.1.3, with brackets and source route. The local part has no limit of its own: 64 octets
 * (§4.5.3.1.1) is what everyone must take, and return paths of lists and forwarders are longer.
 */
export const MAX_PATH_OCTETS = 256;
/** RFC 5321 §4.5.3.1.4 asks for 512, and each extension adds to it; none we know of comes near. */
const MAX_ARGUMENT_OCTETS = 4096;

export interface Mailbox {
  /** Without quotes and backslashes; its case is the owner's business (RFC 5321 §2.4). */
  readonly localPart: string;
  /** Lower-case A-label or literal in brackets. */
  readonly domain: string;
  /** `localPart@domain`, quoted only where it must be; two texts of one mailbox agree in it. */
  readonly mailbox: string;
  /** The local part is not ASCII: the next hop must offer SMTPUTF8 (RFC 6531 §3.2). */
  readonly isInternational: boolean;
}

export interface Path extends Mailbox {
  readonly kind: "path";
  readonly params: Parameters;
}

export type PathFault =
  | "syntax"
  /** Longer than RFC 5321 §4.5.3.1 lets anyone count on. */
  | "too_long"
  | "invalid_utf8"
  /** Not ASCII, in a transaction without SMTPUTF8 (RFC 6531 §3.5: 550 or 553, 5.6.7). */
  | "needs_utf8"
  | ParametersFault;

export type PathResult = Path | { readonly kind: "fault"; readonly fault: PathFault };

/**
 * Reads what follows `MAIL FROM:`. The null reverse-path `<>` has empty `localPart`, `domain` and
 * `mailbox`.
 */
export function parseMailCommand(argument: Uint8Array | string): PathResult {
  return parseArgument(
    argument,
    (content, params) =>
      content === "" ? NULL_MAILBOX : parseRoutedMailbox(content, params.has("SMTPUTF8")),
  );
}

/**
 * Reads what follows `RCPT TO:`. `<postmaster>` without a domain has an empty `domain`, and
 * `postmaster` for its `localPart` and `mailbox` (RFC 5321 §4.5.1).
 *
 * @param options `smtpUtf8`: MAIL asked for SMTPUTF8.
 */
export function parseRcptCommand(
  argument: Uint8Array | string,
  options: { readonly smtpUtf8: boolean },
): PathResult {
  return parseArgument(
    argument,
    (content) =>
      content.length === 10 && content.toLowerCase() === "postmaster"
        ? POSTMASTER
        : parseRoutedMailbox(content, options.smtpUtf8),
  );
}

/** Reads a mailbox without angle brackets, e.g. of configuration or of a stored envelope. */
export function parseMailbox(text: string): Mailbox | PathFault {
  return parseRoutedMailbox(text, true, false);
}

/** A mailbox's text, its local part quoted only where it must be (RFC 5321 §4.1.2). */
export function formatMailbox(localPart: string, domain: string): string {
  const local = DOT_STRING.test(localPart) ? localPart : `"${localPart.replace(/["\\]/g, "\\$&")}"`;
  return domain === "" ? local : `${local}@${domain}`;
}

const NULL_MAILBOX: Mailbox = { localPart: "", domain: "", mailbox: "", isInternational: false };
const POSTMASTER: Mailbox = {
  localPart: "postmaster",
  domain: "",
  mailbox: "postmaster",
  isInternational: false,
};

// Departs from RFC 6531 §3.3: C1 controls and the line separators U+2028 and U+2029 are refused, as
// they only serve to garble logs and terminals.
const NON_ASCII = "\\u00a0-\\u2027\\u202a-\\ud7ff\\ue000-\\u{10ffff}";
const ATOM = `[A-Za-z0-9!#$%&'*+/=?^_\`{|}~${NON_ASCII}-]+`;
const DOT_STRING = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`, "u");
const LOCAL_DOT_STRING = new RegExp(`${ATOM}(?:\\.${ATOM})*`, "uy");
// qtextSMTP, or a backslash before a printable ASCII character: the two never overlap.
const LOCAL_QUOTED = new RegExp(`"(?:[ !#-\\[\\]-~${NON_ASCII}]|\\\\[ -~])*"`, "uy");
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Answers for what stands between the angle brackets. */
type Judge = (content: string, params: Parameters) => Mailbox | PathFault;

function parseArgument(argument: Uint8Array | string, judge: Judge): PathResult {
  if (argument.length > MAX_ARGUMENT_OCTETS) return fault("too_long");
  const text = typeof argument === "string" ? argument : decodeUtf8(argument);
  // U+FFFD is what a lenient decoder leaves of octets that are no UTF-8.
  if (text === null || !text.isWellFormed() || text.includes("\ufffd")) {
    return fault("invalid_utf8");
  }
  let open = 0;
  // Departs from RFC 5321 §3.3: spaces behind the colon pass, since many clients send one.
  while (text[open] === " ") open++;
  if (text[open] !== "<") return fault("syntax");
  const close = endOfPath(text, open + 1);
  if (close < 0) return fault("syntax");
  if (utf8Octets(text, open, close + 1) > MAX_PATH_OCTETS) return fault("too_long");
  const result = parseParameters(text.slice(close + 1));
  if (result.kind === "fault") return result;
  const mailbox = judge(text.slice(open + 1, close), result.parameters);
  if (typeof mailbox === "string") return fault(mailbox);
  return { kind: "path", ...mailbox, params: result.parameters };
}

function fault(fault: PathFault): PathResult {
  return { kind: "fault", fault };
}

/** Where the path's `>` stands: the first one outside a quoted local part. */
function endOfPath(text: string, start: number): number {
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (char === '"') quoted = !quoted;
    else if (quoted && char === "\\") at++;
    else if (!quoted && char === ">") return at;
  }
  return -1;
}

function parseRoutedMailbox(
  content: string,
  allowUtf8: boolean,
  allowRoute = true,
): Mailbox | PathFault {
  if (content.length > MAX_PATH_OCTETS) return "too_long";
  let start = 0;
  if (allowRoute && content[0] === "@") {
    // RFC 5321 appendix C: a source route is accepted and its hosts are ignored.
    start = content.indexOf(":") + 1;
    if (start === 0) return "syntax";
    const hosts = content.slice(0, start - 1).split(",");
    if (!hosts.every((host) => host[0] === "@" && normalizeDomain(host.slice(1)) !== null)) {
      return "syntax";
    }
  }
  const local = content[start] === '"' ? LOCAL_QUOTED : LOCAL_DOT_STRING;
  local.lastIndex = start;
  const match = local.exec(content);
  if (match === null) return "syntax";
  const at = start + match[0].length;
  if (content[at] !== "@") return "syntax";
  return judgeMailbox(match[0], content.slice(at + 1), allowUtf8);
}

function judgeMailbox(
  writtenLocal: string,
  writtenDomain: string,
  allowUtf8: boolean,
): Mailbox | PathFault {
  if (utf8Octets(writtenDomain, 0, writtenDomain.length) > MAX_DOMAIN_OCTETS) return "too_long";
  const domain = normalizeDomainOrLiteral(writtenDomain);
  if (domain === null) return "syntax";
  const isInternational = !ASCII.test(writtenLocal);
  if (!allowUtf8 && (isInternational || !ASCII.test(writtenDomain))) return "needs_utf8";
  const localPart = writtenLocal[0] === '"'
    ? writtenLocal.slice(1, -1).replace(/\\(.)/g, "$1")
    : writtenLocal;
  const mailbox = formatMailbox(localPart, domain);
  // A-labels are longer than the U-labels they were written as.
  if (utf8Octets(mailbox, 0, mailbox.length) > MAX_PATH_OCTETS - 2) return "too_long";
  return { localPart, domain, mailbox, isInternational };
}

/** Octets of a stretch of well-formed text in UTF-8. */
function utf8Octets(text: string, start: number, end: number): number {
  let octets = end - start;
  for (let at = start; at < end; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four octets.
    octets += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return octets;
}

function decodeUtf8(octets: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return null;
  }
}
