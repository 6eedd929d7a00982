/**
 * How a sender did before: whom a message's reputation is of, how counts fade, and who is well known. Only what was
 * proved counts as a name; everybody has an address.
 */
import type { Authentication } from "../auth/results.ts";
import { formatIp, type IpWords, isIpv4, parseIp } from "../mail/ip_address.ts";
import type { Reputation } from "./facts.ts";

/** After so long a count is worth half. */
export const REPUTATION_HALF_LIFE_MS = 14 * 86_400_000;
/** Messages of signers beside the author's domain that count. */
const MAX_SIGNERS = 2;
/** Good messages, faded, that make a sender known. */
const KNOWN_HAM = 3;
/** Of a known sender's mail, so much may have been bad. */
const KNOWN_SPAM_SHARE = 0.1;

/** What is left of a count after some time. */
export function faded(count: number, ageMs: number): number {
  return count * 0.5 ** (Math.max(0, ageMs) / REPUTATION_HALF_LIFE_MS);
}

/** The subject of an authenticated domain, in A-labels and lower case. */
export function domainSubject(domain: string): string {
  return `domain:${domain}`;
}

/** The subject of a client's network: its /24 or /64; `null` for what is no address. */
export function networkSubject(clientAddress: string): string | null {
  const ip = parseIp(clientAddress);
  if (ip === null) return null;
  const network: IpWords = isIpv4(ip)
    ? [ip[0], ip[1], ip[2], (ip[3] & 0xffffff00) >>> 0]
    : [ip[0], ip[1], 0, 0];
  return `net:${formatIp(network)}/${isIpv4(ip) ? 24 : 64}`;
}

/**
 * Of whom a message's judgement is remembered, each once, four at the most: the author's domain where DMARC vouches
 * for it (RFC 9989), else the domains that signed (RFC 6376), and the client's network.
 *
 * @param sender `authentication` is `null` where it was not looked into.
 */
export function senderSubjects(
  sender: { readonly authentication: Authentication | null; readonly clientAddress: string },
): readonly string[] {
  const { authentication, clientAddress } = sender;
  const network = networkSubject(clientAddress);
  const domains = authentication === null ? [] : provenDomains(authentication);
  return [...domains.map(domainSubject), ...(network === null ? [] : [network])];
}

function provenDomains({ dmarc, dkim }: Authentication): readonly string[] {
  if (dmarc.verdict === "pass" && dmarc.fromDomain !== "") return [dmarc.fromDomain];
  const signers = dkim.filter(({ verdict, domain }) => verdict === "pass" && domain !== "");
  return [...new Set(signers.map(({ domain }) => domain))].slice(0, MAX_SIGNERS);
}

/** Whether a sender has delivered enough good mail, and hardly any other. */
export function isWellKnown({ ham, spam }: Pick<Reputation, "ham" | "spam">): boolean {
  return ham >= KNOWN_HAM && spam <= KNOWN_SPAM_SHARE * (ham + spam);
}
