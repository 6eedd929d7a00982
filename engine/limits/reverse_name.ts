/**
 * Forward-confirmed reverse DNS (RFC 8601 §2.7.3, "iprev"): the name of a client's address that leads back
 * to it. Not knowing is kept apart from there being none; what either is worth is decided elsewhere.
 */
import type { Resolver } from "../dns/resolver.ts";
import { isDomainName } from "../mail/domain.ts";
import { formatIp, parseIp } from "../mail/ip_address.ts";
import type { ClientFacts } from "../spam/facts.ts";
import { within } from "./deadline.ts";
import { reversedAddress } from "./reversed_address.ts";

/** RFC 7208 §5.5 looks at as many. */
const MAX_NAMES = 10;

export type ReverseName = ClientFacts["reverse"];

/** @param options `deadlineMs` is for all questions together; past it the verdict is `temperror`. */
export function confirmReverseName(
  address: string,
  options: { readonly resolver: Resolver; readonly deadlineMs: number },
): Promise<ReverseName> {
  return within(confirm(address, options.resolver), {
    deadlineMs: options.deadlineMs,
    late: { verdict: "temperror", name: null },
  });
}

async function confirm(addressText: string, resolver: Resolver): Promise<ReverseName> {
  const reversed = reversedAddress(addressText);
  if (reversed === null) return { verdict: "none", name: null };
  const { address, family, labels } = reversed;
  const pointers = await resolver.ptr(`${labels}.${family === 4 ? "in-addr" : "ip6"}.arpa`);
  if (pointers.kind === "tempfail") return { verdict: "temperror", name: null };
  if (pointers.kind !== "found") return { verdict: "none", name: null };
  // A name that is no host's has no place in header fields and logs.
  const names = [...new Set(pointers.records.slice(0, MAX_NAMES))].filter(isDomainName);
  const answers = await Promise.all(
    names.map((name) => family === 4 ? resolver.a(name) : resolver.aaaa(name)),
  );
  const confirmed = answers.findIndex((answer) =>
    answer.kind === "found" && answer.records.some((record) => isAddress(record, address))
  );
  if (confirmed >= 0) return { verdict: "pass", name: names[confirmed] };
  const isUnknown = answers.some(({ kind }) => kind === "tempfail");
  return { verdict: isUnknown ? "temperror" : "fail", name: null };
}

function isAddress(record: string, address: string): boolean {
  const ip = parseIp(record);
  return ip !== null && formatIp(ip) === address;
}
