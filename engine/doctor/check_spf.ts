/**
 * Whether the SPF policy of a domain lets this server send and keeps strangers out (RFC 7208). Decides by
 * evaluating it, for our addresses and for two that are nobody's, so that includes and redirects count.
 */
import { mailauthResolver } from "../auth/mailauth_resolver.ts";
import type { DnsAnswer, Resolver } from "../dns/resolver.ts";
import { absence, unanswered } from "./dns_finding.ts";
import { duplicated, type Finding, missing, right, warn, wrong } from "./finding.ts";

/** Addresses nobody sends from: reserved (RFC 1112 §4) and discard-only (RFC 6666 §4). */
export const STRANGERS: readonly string[] = ["240.0.0.1", "100::1"];

export type SpfResult =
  | "pass"
  | "fail"
  | "softfail"
  | "neutral"
  | "none"
  | "temperror"
  | "permerror";

export interface SpfEvaluation {
  readonly address: string;
  readonly result: SpfResult;
  /** Why it failed, as mailauth words it. */
  readonly cause: string;
}

export interface SpfAnswers {
  readonly domain: string;
  readonly txt: DnsAnswer<string>;
  readonly ours: readonly SpfEvaluation[];
  readonly strangers: readonly SpfEvaluation[];
}

const PUBLISH = "publish the SPF record given below, with your other senders added";
const LONGEST_CAUSE = 200;

export function judgeSpf({ domain, txt, ours, strangers }: SpfAnswers): Finding {
  if (txt.kind === "tempfail") return unanswered(txt.reason, domain);
  if (txt.kind !== "found") return absence(txt, { what: "SPF record", name: domain });
  const records = txt.records.filter(isSpf);
  if (records.length === 0) {
    return missing(`${domain} has TXT records, but none for SPF (v=spf1)`, PUBLISH);
  }
  // RFC 7208 §4.5: several records are a permanent error.
  if (records.length > 1) {
    return duplicated(
      `${domain} has ${records.length} SPF records; receivers then use none`,
      "merge them into one record",
    );
  }
  const evaluations = [...ours, ...strangers];
  const failed = evaluations.find(({ result }) => result === "permerror");
  if (failed !== undefined) return wrong(...permanentFault(failed.cause));
  const passing = strangers.find(({ result }) => result === "pass");
  if (passing !== undefined) {
    const isAll = /(?:^|\s)\+?all(?:\s|$)/i.test(records[0]);
    return wrong(
      isAll ? "+all lets anybody send for the domain" : "the record lets anybody send, by a term " +
        `that holds every address (even ${passing.address})`,
      "end the record in ~all or -all",
    );
  }
  const unknown = evaluations.find(({ result }) => result === "temperror");
  if (unknown !== undefined) {
    return {
      verdict: "unreachable",
      reason: `SPF of ${domain} could not be evaluated: ${short(unknown.cause)}`,
      mend: "ask again later; look at the names the record includes",
    };
  }
  const refused = ours.filter(({ result }) => result !== "pass");
  if (refused.length > 0) {
    const list = refused.map(({ address, result }) => `${address} (${result})`).join(", ");
    return wrong(
      `SPF does not allow this server to send: ${list}`,
      "add its addresses to the SPF record",
    );
  }
  if (strangers.some(({ result }) => result === "neutral")) {
    return warn(
      "SPF says nothing about servers it does not name (no all, or ?all)",
      "end the record in ~all or -all",
    );
  }
  if (ours.length === 0) {
    return warn(
      "SPF is there, but without an address of this server it cannot be tried",
      "publish the server's address, or give --address",
    );
  }
  return right(`SPF allows ${ours.map(({ address }) => address).join(", ")} and nobody's address`);
}

/** RFC 7208 §4.5: the version ends the text or a space follows it. */
function isSpf(text: string): boolean {
  return /^v=spf1(?: |$)/i.test(text);
}

function permanentFault(cause: string): [reason: string, mend: string] {
  // RFC 7208 §4.6.4
  if (/too many dns requests/i.test(cause)) {
    return [
      "SPF needs more than 10 DNS look-ups, so receivers give up",
      "remove includes, or name addresses (ip4:, ip6:) in their place",
    ];
  }
  if (/too many void/i.test(cause)) {
    return [
      "SPF asks for more than 2 names that do not exist, so receivers give up",
      "remove the terms whose names are gone",
    ];
  }
  return [`SPF cannot be evaluated: ${short(cause)}`, "mend the record's syntax"];
}

function short(cause: string): string {
  return cause.length > LONGEST_CAUSE ? `${cause.slice(0, LONGEST_CAUSE)}…` : cause;
}

/** Evaluates the domain's policy for one client; failures are results. */
export async function evaluateSpf(
  address: string,
  { domain, hostname, resolver, timeoutMs }: {
    readonly domain: string;
    readonly hostname: string;
    readonly resolver: Resolver;
    readonly timeoutMs: number;
  },
): Promise<SpfEvaluation> {
  // Loaded when needed, as it takes longer than all else that the other commands load.
  const { spf } = await import("mailauth/lib/spf/index.js");
  const { status } = await spf({
    sender: `postmaster@${domain}`,
    ip: address,
    helo: hostname,
    mta: hostname,
    resolver: mailauthResolver(resolver),
    maxElapsedTime: timeoutMs,
    strict: true,
  });
  return {
    address,
    result: status.result as SpfResult,
    cause: (status.comment || "no reason given").replace(/^.*?during lookup of \S+: /, ""),
  };
}
