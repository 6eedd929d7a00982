/**
 * ARC sets for mail a domain of ours forwards (RFC 8617): what we found of its authenticity, sealed, for the
 * next host to weigh when forwarding broke SPF. mailauth finds and seals; a message it cannot judge in time
 * goes on unsealed, which is no worse than a server that knows no ARC.
 */
import { Buffer } from "node:buffer";
import { authenticate } from "mailauth";
import type { Resolver } from "../dns/resolver.ts";
import { formatAddressLiteral, normalizeDomainOrLiteral } from "../mail/domain.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { mailauthMessage } from "./mailauth_message.ts";
import { mailauthResolver } from "./mailauth_resolver.ts";

export interface SealOptions {
  /** The client the message came from. */
  readonly clientAddress: string;
  readonly heloName: string;
  /** As the envelope keeps it, its domain in A-labels. */
  readonly reversePath: string;
  /** Ours: names us in ARC-Authentication-Results. */
  readonly hostname: string;
  /** Who forwards, and so seals. */
  readonly domain: string;
  readonly selector: string;
  /** PEM of an RSA key. */
  readonly privateKey: string;
  readonly resolver: Resolver;
  readonly timeoutMs: number;
}

/** Each costs a key's lookup; honest messages bear two or three. */
const MAX_DKIM_SIGNATURES = 10;
/**
 * mailauth reads header sections with expressions that take a time in the square of their length, or of a run
 * of white space in them. Honest ones keep below both.
 */
const MAX_HEADER_OCTETS = 32_768;
const LONG_WHITE_SPACE = /[ \t\r\n]{256}/;
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/**
 * The ARC set's fields, each with its line end, to put on top of the message; empty when there is none to
 * give, as behind a chain that does not hold. Never rejects.
 */
export async function sealForward(octets: Uint8Array, options: SealOptions): Promise<string> {
  const { promise: late, resolve } = Promise.withResolvers<string>();
  const timeout = new AbortController();
  timeout.signal.addEventListener("abort", () => resolve(""));
  const timer = setTimeout(() => timeout.abort(), options.timeoutMs);
  try {
    return await Promise.race([late, seal(octets, options, timeout.signal).catch(() => "")]);
  } finally {
    clearTimeout(timer);
  }
}

async function seal(
  octets: Uint8Array,
  options: SealOptions,
  signal: AbortSignal,
): Promise<string> {
  const message = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const header = readHeaderSection(message, { maxOctets: MAX_HEADER_OCTETS });
  const { bodyOctet } = header;
  const signatures = header.count("DKIM-Signature", MAX_DKIM_SIGNATURES + 1);
  if (
    !header.isTerminated || signatures > MAX_DKIM_SIGNATURES ||
    LONG_WHITE_SPACE.test(message.toString("latin1", 0, bodyOctet))
  ) return "";
  const { clientAddress: ip, reversePath, hostname, domain, selector } = options;
  const { arc, headers } = await authenticate(
    mailauthMessage(message, { bodyOctet, signal }),
    {
      ip,
      // RFC 7208 §2.3: a name that is none says nothing, and nothing of it gets into our results.
      helo: normalizeDomainOrLiteral(options.heloName) ?? formatAddressLiteral(ip),
      sender: reversePath,
      mta: hostname,
      resolver: mailauthResolver(options.resolver),
      seal: { signingDomain: domain, selector, privateKey: options.privateKey },
      disableBimi: true,
      strict: true,
    },
  );
  // Departs from RFC 8617 §5.1.2: a chain that fails is not sealed as failed. The next host finds that out by
  // itself, and a key that could not be looked up just now would mark a good chain for good.
  if (!arc || !["none", "pass"].includes(arc.status.result)) return "";
  // mailauth puts its ARC set in front of the Authentication-Results it also gives, which are not ours here.
  const fields = String(headers).split(/\r\n(?![ \t])/)
    .filter((field) => /^arc-/i.test(field));
  // mailauth signs one octet a character, so a set with others would not verify.
  return fields.length === 3 && fields.every((field) => ASCII.test(field))
    ? fields.map((field) => `${field}\r\n`).join("")
    : "";
}
