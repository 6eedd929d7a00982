/** Where organisations begin, by the tree walk over DMARC records (RFC 9989 §4.10); asks through whoever calls. */
import type { DnsAnswer } from "../dns/resolver.ts";
import { type DmarcRecord, parseDmarcRecord } from "./dmarc_record.ts";

/** RFC 9989 §4.10: names longer than this are cut in one step. */
const MAX_WALK_LABELS = 8;

/** The DMARC record of a name. */
export type DmarcLookup =
  | { readonly kind: "record"; readonly record: DmarcRecord }
  | { readonly kind: "none" }
  | { readonly kind: "tempfail"; readonly reason: string };

/** A record and where it stands. */
export interface DmarcPlace {
  readonly domain: string;
  readonly record: DmarcRecord;
}

/** `places`: the records on the way there, the longest name first. */
export type Organization =
  | { readonly kind: "domain"; readonly domain: string; readonly places: readonly DmarcPlace[] }
  | { readonly kind: "tempfail"; readonly reason: string };

/** The organizational domain above a name, or the name itself (RFC 9989 §4.10.2). */
export async function findOrganization(
  start: string,
  lookUp: (domain: string) => Promise<DmarcLookup>,
): Promise<Organization> {
  const names = walkOf(start);
  const lookups = await Promise.all(names.map(lookUp));
  const places: DmarcPlace[] = [];
  for (const [index, domain] of names.entries()) {
    const lookup = lookups[index];
    if (lookup.kind === "tempfail") return lookup;
    if (lookup.kind === "none") continue;
    const { record } = lookup;
    places.push({ domain, record });
    if (record.psd === "n") return { kind: "domain", domain, places };
    if (record.psd === "y" && domain !== start) {
      const labels = domain.split(".").length;
      return { kind: "domain", domain: lastLabels(start, labels + 1), places };
    }
  }
  return { kind: "domain", domain: places.at(-1)?.domain ?? start, places };
}

/** What an answer for `_dmarc` below a name means. */
export function dmarcLookup(answer: DnsAnswer<string>): DmarcLookup {
  if (answer.kind === "tempfail") {
    return {
      kind: "tempfail",
      reason: `the DMARC record could not be looked up: ${answer.reason}`,
    };
  }
  if (answer.kind !== "found") return { kind: "none" };
  const records = answer.records.map(parseDmarcRecord).filter((record) => record !== null);
  // RFC 9989 §4.10: of several none counts.
  return records.length === 1 ? { kind: "record", record: records[0] } : { kind: "none" };
}

/** The names that are asked about, the longest first (RFC 9989 §4.10). */
function walkOf(domain: string): string[] {
  const labels = domain.split(".");
  const names = [domain];
  const most = Math.min(labels.length, MAX_WALK_LABELS) - 1;
  for (let count = most; count > 0; count--) names.push(lastLabels(domain, count));
  return names;
}

export function lastLabels(domain: string, count: number): string {
  return domain.split(".").slice(-count).join(".");
}
