/** Whether two domains are of one organisation, by the tree walk (RFC 9989 §4.10.2). */
import type { Resolver } from "../../dns/resolver.ts";
import { parseDmarcRecord } from "../dmarc_record.ts";

/** RFC 9989 §4.10: longer names are cut in one step. */
const MAX_WALK_LABELS = 8;

/** False also where the DNS does not answer. */
export async function isSameOrganization(
  [a, b]: readonly [string, string],
  resolver: Pick<Resolver, "txt">,
): Promise<boolean> {
  if (a === b) return true;
  // What has not even the last label in common cannot be one.
  if (lastLabels(a, 1) !== lastLabels(b, 1)) return false;
  const [one, other] = await Promise.all([a, b].map((each) => organizationOf(each, resolver)));
  return one !== null && one === other;
}

async function organizationOf(
  domain: string,
  resolver: Pick<Resolver, "txt">,
): Promise<string | null> {
  const length = domain.split(".").length;
  const names = [domain];
  for (let count = Math.min(length, MAX_WALK_LABELS) - 1; count > 0; count--) {
    names.push(lastLabels(domain, count));
  }
  const answers = await Promise.all(names.map((name) => resolver.txt(`_dmarc.${name}`)));
  let highest = domain;
  for (const [index, name] of names.entries()) {
    const answer = answers[index];
    if (answer.kind === "tempfail") return null;
    if (answer.kind !== "found") continue;
    const records = answer.records.map(parseDmarcRecord).filter((record) => record !== null);
    if (records.length !== 1) continue;
    const [{ psd }] = records;
    if (psd === "n") return name;
    if (psd === "y" && name !== domain) return lastLabels(domain, name.split(".").length + 1);
    highest = name;
  }
  return highest;
}

function lastLabels(domain: string, count: number): string {
  return domain.split(".").slice(-count).join(".");
}
