/** Whether the DNS says of a signing key what its signatures need (RFC 6376 §3.6). */
import { dkimRecordName, parseDkimRecord } from "../auth/dkim_key.ts";
import type { DnsAnswer } from "../dns/resolver.ts";
import { absence, unanswered } from "./dns_finding.ts";
import { duplicated, type Finding, missing, right, warn, wrong } from "./finding.ts";
import type { PublishedKey } from "./records.ts";

const PUBLISH = "publish the record given below in its place";

export function judgeDkim(
  { domain, key, txt }: {
    readonly domain: string;
    readonly key: PublishedKey;
    readonly txt: DnsAnswer<string>;
  },
): Finding {
  const name = dkimRecordName(domain, key.selector);
  if (txt.kind === "tempfail") return unanswered(txt.reason, name);
  if (txt.kind !== "found") return absence(txt, { what: "DKIM record", name });
  const records = txt.records.filter((text) => /^\s*v\s*=\s*DKIM1\b|(?:^|;)\s*p\s*=/.test(text));
  if (records.length === 0) {
    return missing(`what ${name} holds is no DKIM record`, PUBLISH);
  }
  // RFC 6376 §3.6.2.2: with several, what a verifier does is undefined.
  if (records.length > 1) {
    return duplicated(`${name} holds ${records.length} DKIM records instead of one`, PUBLISH);
  }
  const record = parseDkimRecord(records[0]);
  if (record.kind === "fault") {
    return wrong(`the record of ${name} cannot be used: ${record.reason}`, PUBLISH);
  }
  if (record.kind === "revoked") {
    return wrong(
      `the key of ${name} is revoked (its p= is empty)`,
      "publish the key again, or make another one and rotate to it",
    );
  }
  if (record.algorithm !== key.algorithm) {
    return wrong(`${name} holds a key for ${record.algorithm}, not for ${key.algorithm}`, PUBLISH);
  }
  if (record.publicKey !== key.publicKey) {
    return wrong(`${name} holds another key than the one we sign with`, PUBLISH);
  }
  if (record.isTesting) {
    return warn(
      `${name} is marked as a test (t=y): verifiers may ignore its signatures`,
      "remove t=y",
    );
  }
  return right(`${name} holds our key`);
}
