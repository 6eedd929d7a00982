/** Signals of what SPF, DKIM, DMARC and ARC found; nothing where it was not looked into. */
import type { Authentication, DmarcResult } from "../auth/results.ts";
import type { Findings } from "./findings.ts";
import type { MailView } from "./mail_view.ts";

export function findAuthentication(
  { facts, fields, localDomains }: MailView,
  findings: Findings,
): void {
  const { authentication } = facts;
  if (authentication === null) return;
  const { dmarc } = authentication;
  findSpf(authentication, findings);
  findDkim(authentication, findings);
  findDmarc(dmarc, findings);
  if (authentication.arc.verdict === "pass" && dmarc.verdict === "fail") {
    findings.add("ARC_PASS", authentication.arc.sealers.at(-1));
  }
  if (dmarc.verdict === "pass") return;
  const isSure = isCertain(authentication);
  if (isSure && !isProven(authentication)) findings.add("NOT_AUTHENTICATED");
  const domain = fields.from?.domain ?? "";
  const isAligned = dmarc.isSpfAligned || dmarc.isDkimAligned;
  if (isSure && !isAligned && localDomains.has(domain)) {
    findings.add("OUR_DOMAIN_FORGED", domain);
  }
}

function findSpf({ mfrom, helo }: Authentication, findings: Findings): void {
  switch (mfrom.verdict) {
    case "pass":
      findings.add("SPF_PASS", mfrom.domain);
      break;
    case "fail":
      findings.add("SPF_FAIL", mfrom.domain);
      break;
    case "softfail":
      findings.add("SPF_SOFTFAIL", mfrom.domain);
      break;
    case "none":
    case "neutral":
      findings.add("SPF_NONE", mfrom.domain);
      break;
    case "permerror":
      findings.add("SPF_PERMERROR", mfrom.domain);
      break;
    case "temperror":
      break;
  }
  if (helo.verdict === "fail") findings.add("HELO_SPF_FAIL", helo.domain);
}

function findDkim({ dkim }: Authentication, findings: Findings): void {
  const good = dkim.find(({ verdict }) => verdict === "pass");
  const bad = dkim.find(({ verdict }) => verdict === "fail" || verdict === "permerror");
  if (good !== undefined) findings.add("DKIM_PASS", good.domain);
  else if (bad !== undefined) findings.add("DKIM_FAIL", bad.domain);
}

function findDmarc(
  { verdict, policy, isTesting, fromDomain }: DmarcResult,
  findings: Findings,
): void {
  if (verdict === "pass") findings.add("DMARC_PASS", fromDomain);
  if (verdict === "permerror") findings.add("DMARC_PERMERROR", fromDomain);
  if (verdict !== "fail") return;
  // RFC 9989 §4.7: whoever tests asks for one step less.
  const steps = ["none", "quarantine", "reject"] as const;
  const step = Math.max(0, steps.indexOf(policy ?? "none") - (isTesting ? 1 : 0));
  findings.add(
    step === 2 ? "DMARC_FAIL_REJECT" : step === 1 ? "DMARC_FAIL_QUARANTINE" : "DMARC_FAIL_NONE",
    fromDomain,
  );
}

/** Whether anything vouches for the message, whoever that is. */
function isProven({ mfrom, dkim }: Authentication): boolean {
  return mfrom.verdict === "pass" || dkim.some(({ verdict }) => verdict === "pass");
}

/** Whether another try would find the same. */
function isCertain({ mfrom, dkim, dmarc }: Authentication): boolean {
  return ![mfrom, ...dkim, dmarc].some(({ verdict }) => verdict === "temperror");
}
