/** Whether a public address leads to the mail host's name, and that name back to it (FCrDNS). */
import type { DnsAnswer } from "../dns/resolver.ts";
import { unanswered } from "./dns_finding.ts";
import { duplicated, type Finding, missing, right, warn, wrong } from "./finding.ts";

export interface PtrAnswers {
  readonly hostname: string;
  readonly address: string;
  readonly ptr: DnsAnswer<string>;
  /** The addresses, of the address's family, of the name the PTR record holds. */
  readonly forward: DnsAnswer<string>;
}

/** The name of the records that matters when there are several: ours, else the first. */
export function reverseHost(ptr: DnsAnswer<string>, hostname: string): string | null {
  if (ptr.kind !== "found") return null;
  return ptr.records.includes(hostname) ? hostname : ptr.records[0];
}

export function judgePtr({ hostname, address, ptr, forward }: PtrAnswers): Finding {
  const rename = `have the provider of ${address} name it ${hostname}`;
  if (ptr.kind === "tempfail") return unanswered(ptr.reason, address);
  if (ptr.kind !== "found") return missing(`${address} has no PTR record`, rename);
  const host = reverseHost(ptr, hostname) ?? hostname;
  if (forward.kind === "tempfail") return unanswered(forward.reason, host);
  const isConfirmed = forward.kind === "found" && forward.records.includes(address);
  if (!isConfirmed) {
    const leads = forward.kind === "found"
      ? `leads to ${forward.records.join(", ")}`
      : "has no address";
    return wrong(
      `${address} is named ${host}, whose address does not lead back to it: ${host} ${leads}`,
      host === hostname ? `publish the address record of ${hostname} given below` : rename,
    );
  }
  // Receivers check that name and address agree, not that the name is the one in EHLO.
  if (host !== hostname) {
    return warn(
      `${address} is named ${host}, not ${hostname} as this server calls itself`,
      rename,
    );
  }
  if (ptr.records.length > 1) {
    return {
      ...duplicated(
        `${address} has ${ptr.records.length} names: ${ptr.records.join(", ")}`,
        `keep ${hostname} alone, for some receivers look at the first one only`,
      ),
      isMinor: true,
    };
  }
  return right(`${address} is named ${hostname}, which leads back to it`);
}
