/**
 * Domains and address literals as mail writes them (RFC 5321 §4.1.2 and §4.1.3, RFC 6531 §3.3). Decides
 * the one form a domain is compared, stored and looked up in: lower case, A-labels, no trailing dot.
 * Does not know whether a domain exists.
 */
import { domainToASCII, domainToUnicode } from "node:url";
import { formatIp, parseIpv4, parseIpv6 } from "./ip_address.ts";

/** RFC 5321 §4.5.3.1.2 */
export const MAX_DOMAIN_OCTETS = 255;
/** RFC 1035 §2.3.4 */
export const MAX_LABEL_OCTETS = 63;

// Departs from RFC 5321 §4.1.2: an underscore passes for a letter, since hosts with such names do send
// and receive mail and refusing them protects nobody.
const NAME = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/**
 * The form domains are compared in, or `null` when the text is no domain name.
 *
 * U-labels become A-labels (UTS 46, which lower-cases and composes); A-labels are taken as they are,
 * for a relay has no reason to judge registries.
 */
export function normalizeDomain(text: string): string | null {
  if (text.length === 0 || text.length > MAX_DOMAIN_OCTETS) return null;
  const name = ASCII.test(text) ? text.toLowerCase() : domainToASCII(text);
  return isDomainName(name) ? name : null;
}

/** Whether the text is a domain name already in the form `normalizeDomain` gives. */
export function isDomainName(name: string): boolean {
  if (name.length > MAX_DOMAIN_OCTETS || !NAME.test(name)) return false;
  if (name.length <= MAX_LABEL_OCTETS) return true;
  let start = 0;
  while (start < name.length) {
    const dot = name.indexOf(".", start);
    const end = dot < 0 ? name.length : dot;
    if (end - start > MAX_LABEL_OCTETS) return false;
    start = end + 1;
  }
  return true;
}

/** The domain with U-labels, for people; the A-label stays wherever it does not survive the way back. */
export function displayDomain(domain: string): string {
  if (!domain.includes("xn--")) return domain;
  const shown = domainToUnicode(domain);
  return normalizeDomain(shown) === domain ? shown : domain;
}

/** What stands between the brackets of an address literal. */
export type AddressLiteral =
  | { readonly kind: "ip"; /** As `formatIp` writes it. */ readonly address: string }
  /** RFC 5321 §4.1.3 General-address-literal: no tag is registered, so nothing can be sent there. */
  | { readonly kind: "general"; readonly tag: string; readonly content: string };

const GENERAL = /^([A-Za-z0-9-]*[A-Za-z0-9]):([!-Z^-~]+)$/;

/** Reads an address literal with its brackets; `null` when it is none. */
export function parseAddressLiteral(text: string): AddressLiteral | null {
  if (text.length > MAX_DOMAIN_OCTETS || text[0] !== "[" || !text.endsWith("]")) return null;
  const inner = text.slice(1, -1);
  const general = GENERAL.exec(inner);
  if (general === null) {
    const ip = parseIpv4(inner);
    return ip === null ? null : { kind: "ip", address: formatIp(ip) };
  }
  const [, tag, content] = general;
  if (tag.toLowerCase() !== "ipv6") return { kind: "general", tag, content };
  // Departs from RFC 5321 §4.1.3: `::` may stand for a single group, as RFC 4291 §2.2 allows.
  const ip = parseIpv6(content);
  return ip === null ? null : { kind: "ip", address: formatIp(ip) };
}

/** An IP address as an address literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`. */
export function formatAddressLiteral(address: string): string {
  return address.includes(":") ? `[IPv6:${address}]` : `[${address}]`;
}

/**
 * The one form of what may follow the `@`: a domain name, or a literal in brackets. `null` when the
 * text is neither.
 */
export function normalizeDomainOrLiteral(text: string): string | null {
  if (text[0] !== "[") return normalizeDomain(text);
  const literal = parseAddressLiteral(text);
  if (literal === null) return null;
  return literal.kind === "ip"
    ? formatAddressLiteral(literal.address)
    : `[${literal.tag}:${literal.content}]`;
}
