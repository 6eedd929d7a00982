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

/** What clients are told apart by: an IPv4 address, or the /64 of an IPv6 one. */
export function networkOf(address: string): string {
  const ip = parseIp(address);
  if (ip === null) return "unknown";
  return isIpv4(ip) ? formatIp(ip) : `${formatIp([ip[0], ip[1], 0, 0])}/64`;
}
