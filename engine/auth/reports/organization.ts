/** Whether two domains are of one organisation, by the tree walk (RFC 9989 §4.10.2). */
import type { Resolver } from "../../dns/resolver.ts";
import { dmarcLookup, findOrganization, lastLabels } from "../tree_walk.ts";

/** False also where the DNS does not answer. */
export async function isSameOrganization(
  [a, b]: readonly [string, string],
  resolver: Pick<Resolver, "txt">,
): Promise<boolean> {
  if (a === b) return true;
  // What has not even the last label in common cannot be one.
  if (lastLabels(a, 1) !== lastLabels(b, 1)) return false;
  const lookUp = async (domain: string) => dmarcLookup(await resolver.txt(`_dmarc.${domain}`));
  const [one, other] = await Promise.all([a, b].map((each) => findOrganization(each, lookUp)));
  return one.kind === "domain" && other.kind === "domain" && one.domain === other.domain;
}
