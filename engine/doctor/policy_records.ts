/**
 * The texts of three policies a domain publishes, read: DMARC (RFC 9989 §4.8), MTA-STS (RFC 8461 §3.1) and
 * TLS reporting (RFC 8460 §3). Asks no DNS.
 */

export interface DmarcPolicy {
  readonly kind: "dmarc";
  /** What receivers act on; `null` stands for a `p=` that is not there. */
  readonly policy: "none" | "quarantine" | "reject" | null;
  readonly isTesting: boolean;
  /** What receivers overlook in the record, in words. */
  readonly oddities: readonly string[];
}

export interface MtaStsPolicy {
  readonly kind: "mta_sts";
  readonly id: string;
}

export interface TlsReporting {
  readonly kind: "tls_rpt";
  readonly addresses: readonly string[];
}

export interface RecordFault {
  readonly kind: "fault";
  readonly reason: string;
}

type Tags = readonly (readonly [name: string, value: string])[];

const POLICIES = ["none", "quarantine", "reject"] as const;
/** Values of the tags that have few; everything else in them is overlooked. */
const CHOICES: Readonly<Record<string, RegExp>> = {
  adkim: /^[rs]$/i,
  aspf: /^[rs]$/i,
  fo: /^[01ds](?:\s*:\s*[01ds])*$/i,
  np: /^(?:none|quarantine|reject)$/i,
  psd: /^[ynu]$/i,
  sp: /^(?:none|quarantine|reject)$/i,
  t: /^[yn]$/i,
};
const REPORTS = ["rua", "ruf"];
const GONE = ["pct", "rf", "ri"];

/** Whether a text says it is a DMARC record; others at the name are passed over. */
export function isDmarc(text: string): boolean {
  // RFC 9989 §4.8: the version is first and matched as it stands.
  return /^v\s*=\s*DMARC1\s*(?:;|$)/.test(text);
}

export function parseDmarc(text: string): DmarcPolicy | RecordFault {
  if (!isDmarc(text)) return fault("it does not begin with v=DMARC1");
  const tags = readTags(text);
  if (typeof tags === "string") return fault(tags);
  const oddities: string[] = [];
  const values = new Map<string, string>();
  for (const [anyName, value] of tags.slice(1)) {
    const name = anyName.toLowerCase();
    if (values.has(name)) return fault(`${name}= is there twice`);
    values.set(name, value);
    const choices = CHOICES[name];
    if (choices !== undefined && !choices.test(value)) {
      oddities.push(`${name}=${value} means nothing`);
    }
    if (REPORTS.includes(name) && !value.split(",").every(isReportAddress)) {
      oddities.push(`${name}= holds something that is no mailto: address`);
    }
    if (GONE.includes(name)) oddities.push(`${name}= is not used any more`);
  }
  const canReport = (values.get("rua") ?? "").split(",").some(isReportAddress);
  const given = values.get("p");
  const policy = POLICIES.find((known) => known === given?.toLowerCase());
  if (policy === undefined) {
    const reason = given === undefined ? "p= is missing" : `p=${given} means nothing`;
    // RFC 9989 §4.10.1: with somewhere to report to it counts as p=none, else as no record.
    if (!canReport) return fault(reason);
    oddities.push(`${reason}, which receivers take for p=none`);
  }
  const isSecond = tags[1]?.[0].toLowerCase() === "p";
  if (given !== undefined && !isSecond) {
    oddities.push("p= does not follow v=, as older receivers want it");
  }
  return {
    kind: "dmarc",
    policy: policy ?? null,
    isTesting: values.get("t")?.toLowerCase() === "y",
    oddities,
  };
}

function isReportAddress(uri: string): boolean {
  // A size behind `!` is of RFC 7489; its number was of at most 20 digits in all readers of it.
  return /^\s*mailto:[^\s@,!]+@[^\s@,!]+(?:![0-9]{1,20}[kmgt]?)?\s*$/i.test(uri);
}

export function isMtaSts(text: string): boolean {
  // RFC 8461 §3.1: records that do not begin so are discarded.
  return /^v=STSv1[ \t]*(?:;|$)/.test(text);
}

export function parseMtaSts(text: string): MtaStsPolicy | RecordFault {
  if (!isMtaSts(text)) return fault("it does not begin with v=STSv1;");
  const tags = readTags(text);
  if (typeof tags === "string") return fault(tags);
  const extension = tags.slice(1).find(([name, value]) =>
    name !== "id" && !isExtension(name, value)
  );
  if (extension !== undefined) return fault(`${extension[0]}= breaks the rules for extensions`);
  const ids = tags.filter(([name]) => name === "id");
  if (ids.length === 0) return fault("id= is missing");
  if (ids.length > 1) return fault("id= is there twice");
  const [[, id]] = ids;
  return /^[A-Za-z0-9]{1,32}$/.test(id)
    ? { kind: "mta_sts", id }
    : fault("id= is not of 1 to 32 letters and digits");
}

export function isTlsReporting(text: string): boolean {
  // RFC 8460 §3: records that do not begin so are discarded.
  return /^v=TLSRPTv1[ \t]*(?:;|$)/.test(text);
}

export function parseTlsReporting(text: string): TlsReporting | RecordFault {
  if (!isTlsReporting(text)) return fault("it does not begin with v=TLSRPTv1;");
  const tags = readTags(text);
  if (typeof tags === "string") return fault(tags);
  const extension = tags.slice(1).find(([name, value]) =>
    name !== "rua" && !isExtension(name, value)
  );
  if (extension !== undefined) return fault(`${extension[0]}= breaks the rules for extensions`);
  const addresses = tags.filter(([name]) => name === "rua")
    .flatMap(([, value]) => value.split(",").map((uri) => uri.trim()));
  if (addresses.length === 0) return fault("rua= is missing");
  const bad = addresses.find((uri) =>
    !/^(?:mailto:[^\s@!]+@[^\s@!]+|https:\/\/[^\s!]+)$/i.test(uri)
  );
  if (bad !== undefined) return fault("rua= holds something that is no mailto: or https: address");
  return { kind: "tls_rpt", addresses };
}

function isExtension(name: string, value: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/.test(name) && /^[!-:<>-~]+$/.test(value);
}

/** `name=value` between semicolons, of which one may end the list; else what breaks that. */
function readTags(text: string): Tags | string {
  const tags: [string, string][] = [];
  for (const part of text.replace(/;\s*$/, "").split(";")) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(equals, 0)).trim();
    if (name === "") return "a part of it is no tag=value";
    tags.push([name, part.slice(equals + 1).trim()]);
  }
  return tags;
}

function fault(reason: string): RecordFault {
  return { kind: "fault", reason };
}
