/** Domain names as the DNS compares and carries them (RFC 1035 §2.3), and the names of addresses. */
import { isIPv4, isIPv6 } from "node:net";

const MAX_NAME_CHARACTERS = 253;
// Printable ASCII without the backslash, which in presentation form begins an escape.
const LABEL = /^[ -[\]-~]{1,63}$/;

/**
 * The name in lower case without its trailing dot, a space written `\032` as in names that are read, or `null`
 * if no query can carry it. The root is `.`; the empty string is no name.
 */
export function canonicalName(name: string): string | null {
  if (name === ".") return name;
  const bare = name.endsWith(".") ? name.slice(0, -1) : name;
  // RFC 1035 §3.1: 255 octets on the wire, which are 253 characters here.
  if (bare.length > MAX_NAME_CHARACTERS) return null;
  if (!bare.split(".").every((label) => LABEL.test(label))) return null;
  const lower = bare.toLowerCase();
  return lower.includes(" ") ? lower.replaceAll(" ", "\\032") : lower;
}

/** The name that holds the PTR records of an address (RFC 1035 §3.5, RFC 3596 §2.5), else `null`. */
export function reverseName(address: string): string | null {
  if (isIPv4(address)) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const canonical = canonicalAddress(address);
  if (canonical === null) return null;
  const [head, tail] = canonical.split("::").map((half) => half === "" ? [] : half.split(":"));
  const missing = tail === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...(tail ?? [])];
  const nibbles = groups.map((group) => group.padStart(4, "0")).join("");
  return `${[...nibbles].reverse().join(".")}.ip6.arpa`;
}

/** An IP address in its one canonical form, IPv6 all in hexadecimal groups, else `null`. */
export function canonicalAddress(address: string): string | null {
  if (isIPv4(address)) return address;
  if (!isIPv6(address) || address.includes("%")) return null;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
