/**
 * The Authentication-Results field (RFC 8601): what was found, for whoever reads the message behind us, and which
 * fields of that name a stranger wrote in ours. Every text in it may be a stranger's: what does not fit the grammar
 * is quoted or left out.
 */
import { Buffer } from "node:buffer";
import type { HeaderSection } from "../mail/header_section.ts";
import { normalizeDomain } from "../mail/domain.ts";
import type { OctetRange } from "../mail/octet_range.ts";
import type { ArcResult, Authentication, DkimResult, DmarcResult, SpfResult } from "./results.ts";

/** Forward-confirmed reverse DNS (RFC 8601 §2.7.3). */
export interface ReverseResult {
  readonly verdict: "pass" | "fail" | "none" | "temperror";
  /** The client's. */
  readonly address: string;
  readonly name: string | null;
}

export interface FieldOptions {
  /** Ours: the authserv-id. */
  readonly hostname: string;
  readonly reverse?: ReverseResult;
}

/** RFC 5322 §2.1.1 */
const LINE_CHARACTERS = 78;
const MAX_VALUE_CHARACTERS = 255;
const MAX_REASON_CHARACTERS = 100;
const MAX_DKIM_RESULTS = 10;

/** RFC 2045 §5.1 */
const TOKEN = /^[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+$/;
const DOT_ATOM_ADDRESS =
  /^[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+(?:\.[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]+)*@[0-9A-Za-z._-]+$/;
const IDENTITY_OF_DOMAIN = /^@[0-9A-Za-z._-]+$/;
const PRINTABLE = /^[ -~]+$/;

/** The field on as many lines as it needs, with its line end. */
export function authenticationResultsField(
  authentication: Authentication,
  { hostname, reverse }: FieldOptions,
): string {
  const { helo, mfrom, dkim, arc, dmarc } = authentication;
  const results = [
    ...(reverse === undefined ? [] : [reverseResult(reverse)]),
    // With the null reverse-path both are the same check.
    ...(mfrom.sender === helo.sender ? [helo] : [mfrom, helo]).map(spfResult),
    ...(dkim.length === 0 ? ["dkim=none"] : dkim.slice(0, MAX_DKIM_RESULTS).map(dkimResult)),
    ...(arc.verdict === "none" ? [] : [arcResult(arc)]),
    dmarcResult(dmarc),
  ];
  return `Authentication-Results: ${hostname};\r\n` +
    `${results.map((result) => `\t${folded(result)}`).join(";\r\n")}\r\n`;
}

function reverseResult({ verdict, address }: ReverseResult): string {
  // RFC 8601 §2.7.3 knows no none: without a name there is nothing that could hold.
  return `iprev=${verdict === "none" ? "permerror" : verdict}${property("policy.iprev", address)}`;
}

function spfResult({ verdict, scope, domain, sender, reason }: SpfResult): string {
  return `spf=${verdict}${because(verdict === "pass" ? null : reason)}` +
    (scope === "helo" ? property("smtp.helo", domain) : property("smtp.mailfrom", sender));
}

function dkimResult(result: DkimResult): string {
  return `dkim=${result.verdict}${because(result.reason)}` +
    property("header.d", result.domain) +
    property("header.s", result.selector) +
    property("header.i", result.identity) +
    property("header.a", result.algorithm) +
    property("header.b", result.signaturePrefix);
}

function arcResult({ verdict, reason, sealers }: ArcResult): string {
  const sealer = sealers.at(-1);
  return `arc=${verdict}${because(sealer === undefined ? reason : `sealed by ${sealer}`)}`;
}

function dmarcResult({ verdict, fromDomain, policy, reason }: DmarcResult): string {
  return `dmarc=${verdict}${because(reason)}${property("header.from", fromDomain)}` +
    (policy === null ? "" : property("policy.dmarc", policy));
}

function because(reason: string | null): string {
  if (reason === null || !PRINTABLE.test(reason)) return "";
  return ` reason=${quoted(reason.slice(0, MAX_REASON_CHARACTERS))}`;
}

/** Left out where there is nothing to say of it in ASCII. */
function property(name: string, value: string): string {
  if (!PRINTABLE.test(value) || value.length > MAX_VALUE_CHARACTERS) return "";
  const isPlain = TOKEN.test(value) || DOT_ATOM_ADDRESS.test(value) ||
    IDENTITY_OF_DOMAIN.test(value);
  return ` ${name}=${isPlain ? value : quoted(value)}`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** A result on lines that are not too long, broken between its properties. */
function folded(result: string): string {
  let text = "";
  let column = 8;
  // A space within quotes is no place to break.
  for (const word of result.match(/(?:"(?:[^"\\]|\\.)*"|[^ "])+/g) ?? []) {
    if (text !== "" && column + word.length + 1 > LINE_CHARACTERS) {
      text += `\r\n\t\t${word}`;
      column = 16 + word.length;
    } else {
      text += text === "" ? word : ` ${word}`;
      column += word.length + 1;
    }
  }
  return text;
}

// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/**
 * The Authentication-Results fields that bear our authserv-id, each with its line end (RFC 8601 §5): whoever
 * wrote them, it was not us. What cannot be read counts as ours where it names us anywhere.
 *
 * @param octets the message, `header` is its header section.
 */
export function forgedResults(
  octets: Uint8Array,
  { header, hostname }: { readonly header: HeaderSection; readonly hostname: string },
): OctetRange[] {
  const ours = bare(hostname);
  const ranges: OctetRange[] = [];
  if (!header.has("Authentication-Results")) return ranges;
  const view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  for (const { name, startOctet, valueStartOctet, valueEndOctet } of header.fields()) {
    if (name.toLowerCase() !== "authentication-results") continue;
    const value = view.toString("utf8", valueStartOctet, valueEndOctet).replace(CONTROLS, "");
    const id = authservId(value);
    const isOurs = id === null ? value.toLowerCase().includes(ours) : bare(id) === ours;
    if (isOurs) ranges.push({ startOctet, endOctet: behindLineEnd(octets, valueEndOctet) });
  }
  return ranges;
}

function bare(id: string): string {
  const name = id.endsWith(".") ? id.slice(0, -1) : id;
  return normalizeDomain(name) ?? name.toLowerCase();
}

/** The first word outside comments, quoted or not; `null` when there is none that all read alike. */
function authservId(value: string): string | null {
  let at = 0;
  let depth = 0;
  for (; at < value.length; at++) {
    const character = value[at];
    if (character === "\\" && depth > 0) at++;
    else if (character === "(") depth++;
    else if (character === ")" && depth > 0) depth--;
    else if (depth === 0 && !/[ \t\r\n]/.test(character)) break;
  }
  if (depth > 0) return null;
  const rest = value.slice(at);
  const quotedId = /^"((?:[^"\\]|\\.)*)"/s.exec(rest);
  // A fold may stand within quotes.
  if (quotedId !== null) return quotedId[1].replace(/\r?\n/g, "").replace(/\\(.)/gs, "$1").trim();
  const token = /^[^ \t\r\n();"/=,<>@]+/.exec(rest);
  return token === null ? null : token[0];
}

function behindLineEnd(octets: Uint8Array, at: number): number {
  if (octets[at] === 13) at++;
  return octets[at] === 10 ? at + 1 : at;
}
