/** What the absence of an answer means, the same for every record. */
import type { DnsAnswer, TempfailReason } from "../dns/resolver.ts";
import { type Finding, missing } from "./finding.ts";

type Unanswered = Exclude<DnsAnswer<unknown>, { readonly kind: "found" }>;

/** Not knowing is never told as not being there. */
export function absence(
  answer: Unanswered,
  { what, name }: { readonly what: string; readonly name: string },
): Finding {
  const mend = "publish the record given below";
  switch (answer.kind) {
    case "nxdomain":
      return missing(`there is no ${what}: nothing of the name ${name} exists`, mend);
    case "nodata":
      return missing(`${name} has no ${what}`, mend);
    case "tempfail":
      return unanswered(answer.reason, name);
  }
}

export function unanswered(reason: TempfailReason, name: string): Finding {
  return {
    verdict: "unreachable",
    reason: `${name} could not be looked up: ${WORDS[reason]}`,
    mend: "ask again later; if it stays so, look at DNS_SERVERS and at the zone's name servers",
  };
}

const WORDS: Readonly<Record<TempfailReason, string>> = {
  servfail: "the DNS server failed (SERVFAIL)",
  refused: "the DNS server refuses to answer (REFUSED)",
  timeout: "the DNS server did not answer in time",
  malformed: "the DNS server sent an answer that cannot be read",
  cname_loop: "its CNAME records lead round in a circle",
  unreachable: "no DNS server can be reached",
  overloaded: "too many questions at once",
};
