/** Who wants to log in, and from where, each in the one form it is compared and counted in. */
import { formatIp, isIpv4, parseIp } from "../mail/ip_address.ts";
import { parseMailbox } from "../mail/path.ts";
import type { UserName } from "../store/directory.ts";

/** Whose name it is: a mailbox, or a local part of the default domain. `null` when it can be nobody's. */
export function parseLoginName(name: string, defaultDomain: string): UserName | null {
  const mailbox = parseMailbox(name.includes("@") ? name : `${name}@${defaultDomain}`);
  if (typeof mailbox === "string") return null;
  const { domain, localPart } = mailbox;
  return { domain, localPart: localPart.normalize("NFC").toLowerCase() };
}

/** A client's own network in front, then those it lies in. */
export type Networks = readonly [own: string, ...wider: string[]];

/**
 * What clients are told apart by: an IPv4 address, or the /64 of an IPv6 one. Behind that stand its /56
 * and /48, since whoever is given one of those has all that lies within.
 */
export function networksOf(address: string): Networks {
  const ip = parseIp(address);
  if (ip === null) return ["unknown"];
  if (isIpv4(ip)) return [formatIp(ip)];
  const network = (bits: number) => {
    const second = (ip[1] >>> (64 - bits) << (64 - bits)) >>> 0;
    return `${formatIp([ip[0], second, 0, 0])}/${bits}`;
  };
  return [network(64), network(56), network(48)];
}
