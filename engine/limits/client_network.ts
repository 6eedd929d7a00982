/**
 * What clients are told apart by when they are counted. Whoever has an IPv6 address has its /64, so that is what
 * counts as one client (RFC 4291 §2.5.4, RFC 6177 §2). Decides from the text alone.
 */
import { formatIp, isIpv4, parseIp } from "../mail/ip_address.ts";

/** The IPv4 address itself, or the /64 of an IPv6 one; an IPv4-mapped one is IPv4. */
export function oneClient(address: string): string {
  return networkOf(address, { ipv4Bits: 32, ipv6Bits: 64 });
}

/** What its neighbours have in common: the /24 of an IPv4 address, the /48 of an IPv6 one, as sites are given. */
export function neighbourhood(address: string): string {
  return networkOf(address, { ipv4Bits: 24, ipv6Bits: 48 });
}

/** Where one sender's hosts stand: the /24 of an IPv4 address, the /64 of an IPv6 one. */
export function senderNetwork(address: string): string {
  return networkOf(address, { ipv4Bits: 24, ipv6Bits: 64 });
}

function networkOf(
  address: string,
  { ipv4Bits, ipv6Bits }: { readonly ipv4Bits: 24 | 32; readonly ipv6Bits: 48 | 64 },
): string {
  const ip = parseIp(address);
  // All of them count as one client, which is nobody's fault but ours.
  if (ip === null) return "unknown";
  if (!isIpv4(ip)) {
    const second = ipv6Bits === 64 ? ip[1] : (ip[1] & 0xffff0000) >>> 0;
    return `${formatIp([ip[0], second, 0, 0])}/${ipv6Bits}`;
  }
  if (ipv4Bits === 32) return formatIp(ip);
  return `${formatIp([ip[0], ip[1], ip[2], (ip[3] & 0xffffff00) >>> 0])}/24`;
}
