/**
 * The trace fields we put on top of a message (RFC 5321 §4.4): Received on acceptance, Return-Path at
 * final delivery. Decides their wording and folding; whatever a client said is cleaned on its way in,
 * so that no name it gives can start a field, a comment or a clause of its own.
 */
import { formatAddressLiteral, normalizeDomainOrLiteral } from "./domain.ts";

/** How the message came, for the `with` clause. */
export interface ProtocolFacts {
  /** EHLO rather than HELO. */
  readonly extended: boolean;
  readonly tls: boolean;
  readonly authenticated: boolean;
  /** The transaction used SMTPUTF8. */
  readonly smtpUtf8: boolean;
}

export interface Arrival {
  /** As the client gave it, any text. */
  readonly heloName: string;
  /** IP address, without brackets. */
  readonly clientAddress: string;
  /** The name DNS confirms for the address, if one. */
  readonly clientName: string | null;
  readonly byHost: string;
  /** `protocolName(…)` */
  readonly protocol: string;
  readonly queueId: string;
  readonly tls: { readonly version: string; readonly cipher: string } | null;
  /** The only recipient's mailbox; `null` when there are several, who should not learn of each other. */
  readonly recipient: string | null;
  readonly acceptedAtMs: number;
}

const MAX_NAME_CHARACTERS = 255;
const MAX_COMMENT_CHARACTERS = 64;

/** The protocol's registered name (RFC 3848, RFC 6531 §4.3), e.g. `ESMTPSA`. */
export function protocolName(facts: ProtocolFacts): string {
  const suffix = (facts.tls ? "S" : "") + (facts.authenticated ? "A" : "");
  if (facts.smtpUtf8) return "UTF8SMTP" + suffix;
  // RFC 3848 names TLS and AUTH only together with EHLO; implicit TLS is possible without it.
  return facts.extended || suffix !== "" ? "ESMTP" + suffix : "SMTP";
}

/** The Received field with its line end, folded below 78 columns where names allow. */
export function receivedField(arrival: Arrival): string {
  const literal = formatAddressLiteral(cleanName(arrival.clientAddress));
  const from = fromDomain(arrival.heloName) ?? literal;
  const tcpInfo = arrival.clientName === null
    ? `(${literal})`
    : `(${cleanName(arrival.clientName)} ${literal})`;
  const by = `by ${cleanName(arrival.byHost)} with ${cleanName(arrival.protocol)}`;
  const id = `id ${cleanName(arrival.queueId)}`;
  const clauses = [
    ...(fits(`Received: from ${from} ${tcpInfo}`)
      ? [`Received: from ${from} ${tcpInfo}`]
      : [`Received: from ${from}`, tcpInfo]),
    ...(fits(`${by} ${id}`) ? [`${by} ${id}`] : [by, id]),
  ];
  if (arrival.tls !== null) {
    clauses.push(`(${cleanComment(arrival.tls.version)} ${cleanComment(arrival.tls.cipher)})`);
  }
  const recipient = arrival.recipient;
  if (recipient !== null && !CONTROL.test(recipient)) clauses.push(`for <${recipient}>`);
  return clauses.join("\r\n\t") + ";\r\n\t" + dateTime(arrival.acceptedAtMs) + "\r\n";
}

/**
 * The Return-Path field with its line end, for the system that makes final delivery
 * (RFC 5321 §4.4).
 *
 * @param reversePath mailbox, empty for the null reverse-path.
 */
export function returnPathField(reversePath: string): string {
  return `Return-Path: <${CONTROL.test(reversePath) ? "" : reversePath}>\r\n`;
}

/** An instant as RFC 5322 §3.3 writes it, in UTC with a numeric zone. */
export function dateTime(atMs: number): string {
  // ECMA-262 fixes this form, down to English names: `Mon, 01 Jan 2024 00:00:00 GMT`.
  return new Date(atMs).toUTCString().slice(0, -3) + "+0000";
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f-\x9f]/;

function fits(line: string): boolean {
  return line.length < 76;
}

/** What the client called itself, made safe; `null` when nothing sayable is left. */
function fromDomain(heloName: string): string | null {
  const name = normalizeDomainOrLiteral(heloName);
  if (name !== null) return name;
  const cleaned = cleanName(heloName);
  return /[A-Za-z0-9]/.test(cleaned) ? cleaned : null;
}

/** Only what domains, literals and ids are made of; all else becomes `_`. */
function cleanName(text: string): string {
  return text.slice(0, MAX_NAME_CHARACTERS).replace(/[^A-Za-z0-9._:[\]-]/g, "_");
}

function cleanComment(text: string): string {
  return text.slice(0, MAX_COMMENT_CHARACTERS).replace(/[^A-Za-z0-9._/+=-]/g, "_");
}
