/** Whether the DNS says of a signing key what its signatures need. */
import { parseDkimRecord } from "../auth/dkim_key.ts";
import type { DnsAnswer, Resolver } from "../dns/resolver.ts";
import { type NewSigningKey, recordOf } from "./dkim_making.ts";

/** `null` when the record is there and right; else what is wrong, in words. */
export async function recordFault(key: NewSigningKey, resolver: Resolver): Promise<string | null> {
  const { name } = recordOf(key);
  const fault = judgeRecord(key, await resolver.txt(name));
  return fault === null ? null : `${name}: ${fault}`;
}

/** Judges what the DNS answered for the name of a key's record. */
function judgeRecord(key: NewSigningKey, answer: DnsAnswer<string>): string | null {
  switch (answer.kind) {
    case "tempfail":
      return `cannot be looked up now (${answer.reason}); try again`;
    case "nxdomain":
      return "is not published yet";
    case "nodata":
      return "has no TXT record yet";
    case "found":
      return judgeTexts(key, answer.records);
  }
}

function judgeTexts(key: NewSigningKey, texts: readonly string[]): string | null {
  const records = texts.filter((text) => /^\s*v\s*=\s*DKIM1\b|(?:^|;)\s*p\s*=/.test(text));
  if (records.length === 0) return "holds no DKIM record";
  // RFC 6376 §3.6.2.2: with several, what a verifier does is undefined.
  if (records.length > 1) return `holds ${records.length} DKIM records instead of one`;
  const record = parseDkimRecord(records[0]);
  switch (record.kind) {
    case "fault":
      return `cannot be used: ${record.reason}`;
    case "revoked":
      return "holds a revoked key (an empty p=)";
    case "key":
      if (record.algorithm !== key.algorithm) {
        return `holds a key for ${record.algorithm}, not for ${key.algorithm}`;
      }
      return record.publicKey === key.publicKey
        ? null
        : "holds another key; compare its p= with dkim show";
  }
}
