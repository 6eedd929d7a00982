/**
 * SPF records as their grammar has them (RFC 7208 §4.5, §4.6, §12): which terms a record holds, or that it is
 * none. Evaluates nothing, asks no DNS and leaves macros as they stand.
 */
import { type IpWords, parseIpv4, parseIpv6 } from "../mail/ip_address.ts";
import { isMacroString, readMacroString } from "./spf_macro.ts";

export type SpfQualifier = "pass" | "fail" | "softfail" | "neutral";

export type SpfMechanism =
  & {
    readonly qualifier: SpfQualifier;
    /** As written, printable ASCII. */
    readonly text: string;
  }
  & (
    | { readonly name: "all" }
    | { readonly name: "include" | "exists"; readonly domainSpec: string }
    | { readonly name: "ptr"; readonly domainSpec: string | null }
    | {
      readonly name: "a" | "mx";
      /** `null`: the domain under evaluation. */
      readonly domainSpec: string | null;
      readonly ipv4Bits: number;
      readonly ipv6Bits: number;
    }
    | { readonly name: "ip4" | "ip6"; readonly network: IpWords; readonly bits: number }
  );

export interface SpfRecord {
  readonly kind: "record";
  readonly mechanisms: readonly SpfMechanism[];
  /** Domain-specs of the modifiers. */
  readonly redirect: string | null;
  readonly exp: string | null;
}

export type SpfRecordResult = SpfRecord | { readonly kind: "fault"; readonly reason: string };

/** Far above what a domain publishes: the RFC recommends to keep within 512 octets of DNS (§3.4). */
const MAX_RECORD_OCTETS = 16_384;
const MAX_TERMS = 1_000;
/** A domain name has 253 octets; macros are little longer than what they stand for. */
const MAX_DOMAIN_SPEC_CHARACTERS = 512;
const MAX_TEXT_CHARACTERS = 100;

const QUALIFIERS: Readonly<Record<string, SpfQualifier>> = {
  "+": "pass",
  "-": "fail",
  "~": "softfail",
  "?": "neutral",
};

const MODIFIER = /^([a-z][a-z0-9._-]*)=(.*)$/is;
const MECHANISM = /^([+~?-]?)([a-z0-9]+)(?=[:/]|$)(.*)$/is;
/** RFC 7208 §5.6: no leading zeros. */
const DUAL_CIDR = /(?:\/(0|[1-9][0-9]{0,2}))?(?:\/\/(0|[1-9][0-9]{0,2}))?$/;
const CIDR = /\/(0|[1-9][0-9]{0,2})$/;
/** RFC 1035 §2.3.1, not all of digits. */
const TOP_LABEL = /^(?=[0-9-]*[a-z])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$|^[0-9]+-[0-9-]*[0-9]$/i;

/** Whether a TXT record is meant for SPF: the version ends the text or a space follows it (RFC 7208 §4.5). */
export function isSpfRecord(text: string): boolean {
  return (text.length === 6 || text.charCodeAt(6) === 32) &&
    text.slice(0, 6).toLowerCase() === "v=spf1";
}

/** Reads a record for which `isSpfRecord` holds, its strings joined. */
export function parseSpfRecord(text: string): SpfRecordResult {
  if (text.length > MAX_RECORD_OCTETS) return fault("the record is too long");
  const mechanisms: SpfMechanism[] = [];
  let redirect: string | null = null;
  let exp: string | null = null;
  const terms = text.slice(6).split(" ");
  if (terms.length > MAX_TERMS) return fault("the record has too many terms");
  for (const term of terms) {
    if (term === "") continue;
    const modifier = MODIFIER.exec(term);
    if (modifier === null) {
      const mechanism = parseMechanism(term);
      if (mechanism === null) return fault(`no term of SPF: ${shown(term)}`);
      mechanisms.push(mechanism);
      continue;
    }
    const [, anyName, value] = modifier;
    const name = anyName.toLowerCase();
    if (name !== "redirect" && name !== "exp") {
      // RFC 7208 §6: unknown modifiers are ignored, their syntax is not.
      if (!isMacroString(value)) return fault(`no macro string: ${shown(term)}`);
      continue;
    }
    if (!isDomainSpec(value)) return fault(`no domain: ${shown(term)}`);
    // RFC 7208 §6: each at most once.
    if ((name === "redirect" ? redirect : exp) !== null) return fault(`${name}= is there twice`);
    if (name === "redirect") redirect = value;
    else exp = value;
  }
  return { kind: "record", mechanisms, redirect, exp };
}

function parseMechanism(term: string): SpfMechanism | null {
  const match = MECHANISM.exec(term);
  if (match === null) return null;
  const qualifier = QUALIFIERS[match[1]] ?? "pass";
  const text = term.slice(0, MAX_TEXT_CHARACTERS);
  const rest = match[3];
  const name = match[2].toLowerCase();
  switch (name) {
    case "all":
      return rest === "" ? { name, qualifier, text } : null;
    case "include":
    case "exists": {
      const domainSpec = rest.slice(1);
      return rest[0] === ":" && isDomainSpec(domainSpec)
        ? { name, qualifier, text, domainSpec }
        : null;
    }
    case "ptr":
      if (rest === "") return { name, qualifier, text, domainSpec: null };
      return rest[0] === ":" && isDomainSpec(rest.slice(1))
        ? { name, qualifier, text, domainSpec: rest.slice(1) }
        : null;
    case "a":
    case "mx": {
      const cidr = DUAL_CIDR.exec(rest)!;
      const ipv4Bits = Number(cidr[1] ?? 32);
      const ipv6Bits = Number(cidr[2] ?? 128);
      if (ipv4Bits > 32 || ipv6Bits > 128) return null;
      const domain = rest.slice(0, cidr.index);
      if (domain !== "" && !(domain[0] === ":" && isDomainSpec(domain.slice(1)))) return null;
      const domainSpec = domain === "" ? null : domain.slice(1);
      return { name, qualifier, text, domainSpec, ipv4Bits, ipv6Bits };
    }
    case "ip4":
    case "ip6": {
      if (rest[0] !== ":") return null;
      const cidr = CIDR.exec(rest);
      const address = rest.slice(1, cidr?.index);
      const maxBits = name === "ip4" ? 32 : 128;
      const bits = Number(cidr?.[1] ?? maxBits);
      const network = name === "ip4" ? parseIpv4(address) : parseIpv6(address);
      return network === null || bits > maxBits ? null : { name, qualifier, text, network, bits };
    }
    default:
      return null;
  }
}

/** RFC 7208 §7.1: a macro string that ends in a macro or in a dot and a label. */
function isDomainSpec(text: string): boolean {
  if (text.length > MAX_DOMAIN_SPEC_CHARACTERS) return false;
  const macros = readMacroString(text);
  if (macros === null) return false;
  if (macros.tail === "") return macros.endsInMacro;
  const tail = macros.tail.endsWith(".") ? macros.tail.slice(0, -1) : macros.tail;
  const dot = tail.lastIndexOf(".");
  return dot >= 0 && TOP_LABEL.test(tail.slice(dot + 1));
}

function shown(term: string): string {
  return term.slice(0, MAX_TEXT_CHARACTERS).replace(/[^!-~]/g, "?");
}

function fault(reason: string): SpfRecordResult {
  return { kind: "fault", reason };
}
