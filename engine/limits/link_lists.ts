/**
 * Asks lists of domains (URIBL, SURBL, DBL) about the sites a message links to. They know organisational
 * domains, and IPv4 addresses reversed; which hosts a message names is found elsewhere.
 */
import { getDomain } from "tldts";
import { isDomainName } from "../mail/domain.ts";
import type { ListHit } from "../spam/facts.ts";
import { askLists, type ListLookUpOptions, type ListSubject } from "./dns_lists.ts";
import { reversedAddress } from "./reversed_address.ts";

export interface LinkLookUpOptions extends ListLookUpOptions {
  /** Domains and addresses asked about at the most, those named first. */
  readonly maxDomains: number;
}

/** @param hosts in A-labels and lower case, or addresses, bare or in brackets; any order, repeated or not. */
export function lookUpLinks(
  hosts: Iterable<string>,
  options: LinkLookUpOptions,
): Promise<readonly ListHit[]> {
  if (options.lists.length === 0) return Promise.resolve([]);
  return askLists(linkSubjects(hosts, options.maxDomains), options);
}

/** What lists are asked about, each once. */
export function linkSubjects(hosts: Iterable<string>, max: number): readonly ListSubject[] {
  const subjects = new Map<string, ListSubject>();
  for (const host of hosts) {
    if (subjects.size >= max) break;
    const subject = linkSubject(host);
    if (subject !== null) subjects.set(subject.labels, subject);
  }
  return [...subjects.values()];
}

function linkSubject(host: string): ListSubject | null {
  const inner = host.startsWith("[") && host.endsWith("]")
    ? host.slice(1, -1).replace(/^ipv6:/i, "")
    : host;
  const reversed = reversedAddress(inner);
  if (reversed !== null) {
    // No list of domains knows IPv6 addresses.
    if (reversed.family === 6) return null;
    return { subject: reversed.address, labels: reversed.labels };
  }
  if (!isDomainName(host)) return null;
  // Whoever lets others have names below its own is not to be asked about in their place, save for itself.
  const domain = getDomain(host, { ...TLDTS, allowPrivateDomains: true }) ?? getDomain(host, TLDTS);
  return domain === null ? null : { subject: domain, labels: domain };
}

/** The hosts were checked; an underscore is no reason to pass over one. */
const TLDTS = { validateHostname: false, extractHostname: false, detectIp: false } as const;
