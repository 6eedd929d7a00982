/** DMARC records (RFC 9989 §4.7, §4.8): what a domain asks for. Broken tags count as left out; asks no DNS. */
import type { DmarcPolicy } from "./results.ts";

export interface DmarcRecord {
  /** `null` where the record says nothing that could be applied. */
  readonly policies: DmarcPolicies | null;
  readonly isDkimStrict: boolean;
  readonly isSpfStrict: boolean;
  readonly isTesting: boolean;
  /** Whether the domain is a public suffix; `u`: it does not say. */
  readonly psd: "y" | "n" | "u";
  /** As written. */
  readonly reportTo: readonly string[];
  /** Tags in lower case, values as written. */
  readonly tags: Readonly<Record<string, string>>;
}

export interface DmarcPolicies {
  readonly domain: DmarcPolicy;
  readonly subdomains: DmarcPolicy;
  readonly missingSubdomains: DmarcPolicy;
}

const VERSION = /^[ \t]*v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/i;
const TAG = /^[a-z]{1,32}$/;
const VALUE = /^[ -:<-~]{1,1000}$/;
const URI = /^[a-z][a-z0-9+.-]*:[!-~]+$/i;
const MAX_RECORD_CHARACTERS = 4_096;
const MAX_REPORT_ADDRESSES = 10;

/** `null` when the text is none of DMARC's (RFC 9989 §4.10: other texts at the name do not count). */
export function parseDmarcRecord(text: string): DmarcRecord | null {
  // The version alone is told in its case (RFC 7405).
  if (text.length > MAX_RECORD_CHARACTERS || !VERSION.test(text)) return null;
  if (!text.slice(0, text.indexOf(";") >>> 0).includes("DMARC1")) return null;
  const tags: Record<string, string> = {};
  for (const part of text.split(";")) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(equals, 0)).trim().toLowerCase();
    const value = part.slice(equals + 1).trim();
    if (TAG.test(name) && VALUE.test(value) && !Object.hasOwn(tags, name)) tags[name] = value;
  }
  const reportTo = (tags.rua ?? "").split(",").map((uri) => uri.trim())
    .filter((uri) => URI.test(uri)).slice(0, MAX_REPORT_ADDRESSES);
  const psd = tags.psd?.toLowerCase();
  return {
    policies: policiesOf(tags, reportTo.length > 0),
    isDkimStrict: tags.adkim?.toLowerCase() === "s",
    isSpfStrict: tags.aspf?.toLowerCase() === "s",
    isTesting: tags.t?.toLowerCase() === "y",
    psd: psd === "y" || psd === "n" ? psd : "u",
    reportTo,
    tags,
  };
}

/** RFC 9989 §4.10.1: a wrong policy counts as none while reports are wanted, else the record is not applied. */
function policiesOf(
  { p, sp, np }: Readonly<Record<string, string>>,
  wantsReports: boolean,
): DmarcPolicies | null {
  const [domain, subdomains, missingSubdomains] = [p, sp, np].map(policyOf);
  if (domain === null || subdomains === null || missingSubdomains === null) {
    return wantsReports ? { domain: "none", subdomains: "none", missingSubdomains: "none" } : null;
  }
  // RFC 9989 §4.7: a record without p= asks for none.
  const own = domain ?? "none";
  const below = subdomains ?? own;
  return { domain: own, subdomains: below, missingSubdomains: missingSubdomains ?? below };
}

/** `undefined`: left out; `null`: wrong. */
function policyOf(value: string | undefined): DmarcPolicy | null | undefined {
  const lower = value?.toLowerCase();
  if (lower === undefined) return undefined;
  return lower === "none" || lower === "quarantine" || lower === "reject" ? lower : null;
}
