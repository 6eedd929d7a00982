/** Whether the policies a domain publishes say something, and one thing only: DMARC, MTA-STS, TLS reports. */
import type { DnsAnswer } from "../dns/resolver.ts";
import { absence, unanswered } from "./dns_finding.ts";
import { duplicated, type Finding, missing, right, warn, wrong } from "./finding.ts";
import {
  isDmarc,
  isMtaSts,
  isTlsReporting,
  parseDmarc,
  parseMtaSts,
  parseTlsReporting,
} from "./policy_records.ts";

const PUBLISH = "publish the record given below in its place";

export interface PolicyAnswer {
  /** Where the record stands. */
  readonly name: string;
  readonly txt: DnsAnswer<string>;
}

export function judgeDmarc(answer: PolicyAnswer): Finding {
  const text = onlyRecord(answer, { what: "DMARC record", isOne: isDmarc });
  if (typeof text !== "string") return text;
  const record = parseDmarc(text);
  if (record.kind === "fault") {
    return wrong(`the DMARC record cannot be used: ${record.reason}`, PUBLISH);
  }
  if (record.oddities.length > 0) {
    return warn(`the DMARC record has faults: ${record.oddities.join("; ")}`, "correct them");
  }
  const policy = record.policy ?? "none";
  if (policy === "none") {
    return warn(
      "DMARC p=none asks receivers for nothing against forged mail",
      "once reports show that your own mail passes, go to p=quarantine or p=reject",
    );
  }
  if (record.isTesting) {
    return warn(`DMARC p=${policy} is only being tested (t=y)`, "remove t=y when it is to count");
  }
  return right(`DMARC asks for p=${policy}`);
}

/** @param policyHost whether `mta-sts.<domain>` has an address, `A` and `AAAA` asked. */
export function judgeMtaSts(
  answer: PolicyAnswer,
  policyHost: { readonly name: string; readonly addresses: readonly DnsAnswer<string>[] },
): Finding {
  const text = onlyRecord(answer, { what: "MTA-STS record", isOne: isMtaSts });
  if (typeof text !== "string") return text;
  const record = parseMtaSts(text);
  if (record.kind === "fault") {
    return wrong(`the MTA-STS record cannot be used: ${record.reason}`, PUBLISH);
  }
  if (!policyHost.addresses.some(({ kind }) => kind === "found")) {
    for (const each of policyHost.addresses) {
      if (each.kind === "tempfail") return unanswered(each.reason, policyHost.name);
    }
    return wrong(
      `the MTA-STS record promises a policy, but ${policyHost.name} has no address to fetch it from`,
      `serve the policy at https://${policyHost.name}/.well-known/mta-sts.txt, or remove the record`,
    );
  }
  return right(
    `MTA-STS has the policy ${record.id} (that ${policyHost.name} serves it is not checked)`,
  );
}

export function judgeTlsReporting(answer: PolicyAnswer): Finding {
  const text = onlyRecord(answer, { what: "TLS-RPT record", isOne: isTlsReporting });
  if (typeof text !== "string") return text;
  const record = parseTlsReporting(text);
  if (record.kind === "fault") {
    return wrong(`the TLS-RPT record cannot be used: ${record.reason}`, PUBLISH);
  }
  return right(`reports on TLS go to ${record.addresses.join(", ")}`);
}

/** The one text that says it is the record. RFC 9989 §4.10, RFC 8461 §3.1, RFC 8460 §3: several are none. */
function onlyRecord(
  { name, txt }: PolicyAnswer,
  { what, isOne }: { readonly what: string; readonly isOne: (text: string) => boolean },
): string | Finding {
  if (txt.kind === "tempfail") return unanswered(txt.reason, name);
  if (txt.kind !== "found") return absence(txt, { what, name });
  const records = txt.records.filter(isOne);
  if (records.length === 0) return missing(`what ${name} holds is no ${what}`, PUBLISH);
  if (records.length > 1) {
    return duplicated(
      `${name} has ${records.length} ${what}s; receivers then use none`,
      "keep one of them",
    );
  }
  return records[0];
}
