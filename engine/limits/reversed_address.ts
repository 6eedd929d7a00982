/** Addresses as names below a zone that knows addresses carry them (RFC 1035 §3.5, RFC 3596 §2.5, RFC 5782 §2.1, §2.4). */
import { formatIp, isIpv4, parseIp } from "../mail/ip_address.ts";

export interface ReversedAddress {
  readonly family: 4 | 6;
  /** In one form for each address, an IPv4-mapped one as IPv4. */
  readonly address: string;
  /** Octets or nibbles, the last one first, without a zone. */
  readonly labels: string;
}

/** `null` for text that is no address. */
export function reversedAddress(text: string): ReversedAddress | null {
  const ip = parseIp(text);
  if (ip === null) return null;
  const address = formatIp(ip);
  if (isIpv4(ip)) return { family: 4, address, labels: address.split(".").reverse().join(".") };
  const nibbles = ip.map((word) => word.toString(16).padStart(8, "0")).join("");
  return { family: 6, address, labels: [...nibbles].reverse().join(".") };
}
