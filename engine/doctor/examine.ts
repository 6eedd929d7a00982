/** Asks the DNS for all a mail domain needs and has the answers judged; the questions go out together. */
import { dkimRecordName } from "../auth/dkim_key.ts";
import { reverseName } from "../dns/name.ts";
import type { DnsAnswer, Resolver } from "../dns/resolver.ts";
import { displayDomain } from "../mail/domain.ts";
import { judgeDkim } from "./check_dkim.ts";
import { isPrivate, judgeAddresses, judgeMx } from "./check_mx.ts";
import { judgeDmarc, judgeMtaSts, judgeTlsReporting } from "./check_policy.ts";
import { judgePtr, reverseHost } from "./check_ptr.ts";
import { judgeAutoconfig, judgeSrv } from "./check_services.ts";
import { evaluateSpf, judgeSpf, type SpfEvaluation, STRANGERS } from "./check_spf.ts";
import type { Check, Finding, Severity } from "./finding.ts";
import {
  autoconfigName,
  type DomainFacts,
  type ExpectedRecord,
  expectedRecords,
  type SubmissionService,
  submissionServices,
} from "./records.ts";

export interface Examination {
  /** With the addresses that DNS gives the mail host where `--address` gave none. */
  readonly facts: DomainFacts;
  readonly records: readonly ExpectedRecord[];
  readonly checks: readonly Check[];
}

const SPF_TIMEOUT_MS = 20_000;
const NOT_ASKED: DnsAnswer<never> = { kind: "nodata" };

/** Never rejects for what a server or a record holds. */
export async function examineDns(given: DomainFacts, resolver: Resolver): Promise<Examination> {
  const { hostname } = given;
  const [a, aaaa] = await Promise.all([resolver.a(hostname), resolver.aaaa(hostname)]);
  const known = [a, aaaa].flatMap((answer) => answer.kind === "found" ? answer.records : []);
  const facts: DomainFacts = given.addresses.length > 0
    ? given
    : { ...given, addresses: known.filter((address) => !isPrivate(address)) };
  const records = expectedRecords(facts);
  const checks = await Promise.all([
    check(
      `A/AAAA ${displayDomain(hostname)}`,
      judgeAddresses({ hostname, expected: given.addresses, a, aaaa }),
    ),
    checkMx(facts, resolver),
    checkSpf(facts, resolver),
    ...facts.keys.filter(({ state }) => state !== "retired").map(async (key) => {
      const txt = await resolver.txt(dkimRecordName(facts.domain, key.selector));
      return check(
        `DKIM ${key.selector} (${key.algorithm}, ${key.state})`,
        judgeDkim({ domain: facts.domain, key, txt }),
        key.state === "active" ? "required" : "recommended",
      );
    }),
    ...(facts.keys.some(({ state }) => state === "active") ? [] : [noKey(facts)]),
    checkDmarc(facts, resolver),
    checkMtaSts(facts, resolver),
    checkTlsReporting(facts, resolver),
    ...facts.addresses.map((address) => checkPtr(address, facts, resolver)),
    ...submissionServices(facts).map((service) => checkSrv(service, facts, resolver)),
    checkAutoconfig([...known, ...given.addresses], facts, resolver),
  ]);
  return { facts, records, checks };
}

function check(subject: string, finding: Finding, severity: Severity = "required"): Check {
  return { ...finding, group: "dns", subject, severity };
}

async function checkMx({ domain, hostname }: DomainFacts, resolver: Resolver): Promise<Check> {
  const [mx, hostAlias] = await Promise.all([resolver.mx(domain), resolver.cname(hostname)]);
  return check("MX", judgeMx({ domain, hostname, mx, hostAlias }));
}

async function checkSpf(facts: DomainFacts, resolver: Resolver): Promise<Check> {
  const { domain, hostname, addresses } = facts;
  const txt = await resolver.txt(domain);
  const evaluate = (all: readonly string[]): Promise<SpfEvaluation[]> =>
    Promise.all(
      all.map((address) =>
        evaluateSpf(address, { domain, hostname, resolver, timeoutMs: SPF_TIMEOUT_MS })
      ),
    );
  const isThere = txt.kind === "found";
  const [ours, strangers] = await Promise.all([
    evaluate(isThere ? addresses : []),
    evaluate(isThere ? STRANGERS : []),
  ]);
  return check("SPF", judgeSpf({ domain, txt, ours, strangers }));
}

function noKey({ domain }: DomainFacts): Check {
  return check("DKIM", {
    verdict: "missing",
    reason: `${displayDomain(domain)} has no key to sign with, so its mail is not signed`,
    mend: `make one: dkim generate ${displayDomain(domain)}`,
  });
}

async function checkDmarc({ domain }: DomainFacts, resolver: Resolver): Promise<Check> {
  const name = `_dmarc.${domain}`;
  return check("DMARC", judgeDmarc({ name, txt: await resolver.txt(name) }), "recommended");
}

async function checkMtaSts({ domain }: DomainFacts, resolver: Resolver): Promise<Check> {
  const [name, host] = [`_mta-sts.${domain}`, `mta-sts.${domain}`];
  const [txt, ...addresses] = await Promise.all([
    resolver.txt(name),
    resolver.a(host),
    resolver.aaaa(host),
  ]);
  return check("MTA-STS", judgeMtaSts({ name, txt }, { name: host, addresses }), "optional");
}

async function checkTlsReporting({ domain }: DomainFacts, resolver: Resolver): Promise<Check> {
  const name = `_smtp._tls.${domain}`;
  return check("TLS-RPT", judgeTlsReporting({ name, txt: await resolver.txt(name) }), "optional");
}

async function checkPtr(
  address: string,
  { hostname }: DomainFacts,
  resolver: Resolver,
): Promise<Check> {
  const reverse = reverseName(address);
  const ptr = reverse === null ? NOT_ASKED : await resolver.ptr(reverse);
  const host = reverseHost(ptr, hostname);
  const forward = host === null
    ? NOT_ASKED
    : await (address.includes(":") ? resolver.aaaa(host) : resolver.a(host));
  return check(`PTR ${address}`, judgePtr({ hostname, address, ptr, forward }));
}

async function checkSrv(
  service: SubmissionService,
  { hostname }: DomainFacts,
  resolver: Resolver,
): Promise<Check> {
  const srv = await resolver.srv(service.name);
  const subject = `SRV ${displayDomain(service.name)}`;
  return check(subject, judgeSrv({ service, hostname, srv }), "optional");
}

async function checkAutoconfig(
  hostAddresses: readonly string[],
  { domain, hostname }: DomainFacts,
  resolver: Resolver,
): Promise<Check> {
  const name = autoconfigName(domain);
  const [cname, a, aaaa] = await Promise.all([
    resolver.cname(name),
    resolver.a(name),
    resolver.aaaa(name),
  ]);
  const judged = judgeAutoconfig({ name, hostname, hostAddresses, cname, a, aaaa });
  return check("autoconfig", judged, "optional");
}
