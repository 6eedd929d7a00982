/**
 * The DNS records a mail domain needs, as one would put them into a zone file: where its mail goes
 * (RFC 5321 §5), who sends for it (RFC 7208, RFC 6376, RFC 9989), how to reach it safely (RFC 8461,
 * RFC 8460) and how mail programs find it (RFC 6186, RFC 8314). Asks nobody.
 */
import { dkimRecord, dkimRecordName, txtStrings } from "../auth/dkim_key.ts";
import { reverseName } from "../dns/name.ts";
import type { SigningAlgorithm } from "../store/signing_keys.ts";
import type { Severity } from "./finding.ts";

export interface PublishedKey {
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  readonly publicKey: string;
  readonly state: "waiting" | "active" | "retired";
}

/** What the records follow from; names in A-labels, without the trailing dot. */
export interface DomainFacts {
  readonly domain: string;
  /** The name of the mail server. */
  readonly hostname: string;
  /** Those the server is known by outside; empty when nobody knows them. */
  readonly addresses: readonly string[];
  readonly keys: readonly PublishedKey[];
  /** Where the server listens; 0 where a listener is off. */
  readonly ports: { readonly submission: number; readonly smtps: number };
  /** For a first MTA-STS record: 1 to 32 letters and digits (RFC 8461 §3.1). */
  readonly policyId: string;
}

export type RecordPart =
  | "mx"
  | "address"
  | "spf"
  | "dkim"
  | "dmarc"
  | "mta_sts"
  | "tls_rpt"
  | "ptr"
  | "srv"
  | "autoconfig";

export interface ExpectedRecord {
  readonly part: RecordPart;
  /** Without the trailing dot. */
  readonly name: string;
  readonly type: "MX" | "A" | "AAAA" | "TXT" | "PTR" | "SRV" | "CNAME";
  /** As a zone file has it; `null` when it depends on what only the operator knows. */
  readonly value: string | null;
  readonly severity: Severity;
  /** One sentence. */
  readonly purpose: string;
}

/** One by which mail programs send, and where they may be told to find it. */
export interface SubmissionService {
  readonly name: string;
  readonly priority: number;
  /** The one to publish first. */
  readonly ports: readonly number[];
}

/**
 * Those that are on. Their ports are the well-known ones, as port 25 of MX is, to which a server that may
 * not open them is connected by its firewall or container; its own would do without one.
 */
export function submissionServices({ domain, ports }: DomainFacts): readonly SubmissionService[] {
  return [
    // RFC 8314 §5.1: TLS from the start comes before STARTTLS.
    { name: `_submissions._tcp.${domain}`, priority: 0, known: 465, listening: ports.smtps },
    { name: `_submission._tcp.${domain}`, priority: 10, known: 587, listening: ports.submission },
  ]
    .filter(({ listening }) => listening !== 0)
    .map(({ name, priority, known, listening }) => ({
      name,
      priority,
      ports: [...new Set([known, listening])],
    }));
}

/** In the order one would publish them; those of the reverse zones last. */
export function expectedRecords(facts: DomainFacts): readonly ExpectedRecord[] {
  const { domain, hostname } = facts;
  return [
    ...addressRecords(facts),
    {
      part: "mx",
      name: domain,
      type: "MX",
      value: `10 ${hostname}.`,
      severity: "required",
      purpose: "Tells other servers where mail for the domain goes.",
    },
    {
      part: "spf",
      name: domain,
      type: "TXT",
      // Not `-all`: receivers that act on SPF alone would refuse forwarded mail before they see its
      // DKIM signature (RFC 9989, "Issues Specific to SPF").
      value: txtValue(`v=spf1 a:${hostname} ~all`),
      severity: "required",
      purpose: "Names the servers that may send for the domain (SPF).",
    },
    ...facts.keys.filter(({ state }) => state !== "retired").map((key) => dkim(key, domain)),
    {
      part: "dmarc",
      name: `_dmarc.${domain}`,
      type: "TXT",
      value: txtValue(`v=DMARC1; p=quarantine; rua=mailto:postmaster@${domain}`),
      severity: "recommended",
      purpose: "Tells receivers what to do with mail that only pretends to be from the domain.",
    },
    {
      part: "mta_sts",
      name: `_mta-sts.${domain}`,
      type: "TXT",
      value: txtValue(`v=STSv1; id=${facts.policyId}`),
      severity: "optional",
      purpose:
        `Makes senders insist on TLS; needs a policy served at https://mta-sts.${domain}/.well-known/mta-sts.txt.`,
    },
    {
      part: "tls_rpt",
      name: `_smtp._tls.${domain}`,
      type: "TXT",
      value: txtValue(`v=TLSRPTv1; rua=mailto:postmaster@${domain}`),
      severity: "optional",
      purpose: "Asks senders to report when TLS to the domain fails.",
    },
    ...serviceRecords(facts),
    ...facts.addresses.flatMap((address) => ptr(address, hostname)),
  ];
}

function addressRecords({ hostname, addresses }: DomainFacts): readonly ExpectedRecord[] {
  const common = {
    part: "address",
    name: hostname,
    severity: "required",
    purpose: "The address of the mail server.",
  } as const;
  if (addresses.length === 0) return [{ ...common, type: "A", value: null }];
  return addresses.map((address) => ({
    ...common,
    type: address.includes(":") ? "AAAA" : "A",
    value: address,
  }));
}

function dkim(key: PublishedKey, domain: string): ExpectedRecord {
  const isActive = key.state === "active";
  return {
    part: "dkim",
    name: dkimRecordName(domain, key.selector),
    type: "TXT",
    value: txtValue(dkimRecord(key)),
    severity: isActive ? "required" : "recommended",
    purpose: isActive
      ? "The key that verifies the domain's signatures (DKIM)."
      : "The key the domain will sign with next (DKIM).",
  };
}

function serviceRecords(facts: DomainFacts): readonly ExpectedRecord[] {
  const { domain, hostname } = facts;
  return [
    ...submissionServices(facts).map(({ name, priority, ports: [port] }) => ({
      part: "srv",
      name,
      type: "SRV",
      value: `${priority} 1 ${port} ${hostname}.`,
      severity: "optional",
      purpose: "Lets mail programs find where to send through.",
    } as const)),
    {
      part: "autoconfig",
      name: autoconfigName(domain),
      type: "CNAME",
      value: `${hostname}.`,
      severity: "optional",
      purpose: "Lets mail programs that ask for autoconfig set themselves up.",
    },
  ];
}

export function autoconfigName(domain: string): string {
  return `autoconfig.${domain}`;
}

function ptr(address: string, hostname: string): readonly ExpectedRecord[] {
  const name = reverseName(address);
  if (name === null) return [];
  return [{
    part: "ptr",
    name,
    type: "PTR",
    value: `${hostname}.`,
    severity: "required",
    purpose: `The name of ${address}; whoever provides the address publishes it.`,
  }];
}

/** A text as the quoted character-strings of a zone file (RFC 1035 §5.1). */
export function txtValue(text: string): string {
  return txtStrings(text)
    .map((part) => `"${part.replace(/["\\]/g, (character) => `\\${character}`)}"`)
    .join(" ");
}
