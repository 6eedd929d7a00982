/** How mail from strangers is judged: the variables of that part, and the configuration they make. */
import type { z } from "zod";
import {
  decimal,
  dnsLists,
  domainNames,
  filterAddress,
  mailAddress,
  milters,
  networksOrNone,
  offOr,
  oneOf,
  orNull,
  path,
  rate,
  rspamdUrl,
  seconds,
  text,
  wholeNumber,
  yesOrNo,
} from "./fields.ts";

const DAY_MS = 24 * 3600 * 1000;
const FAILURES = ["accept", "defer"] as const;
const USES = ["off", "score", "require"] as const;
const points = () => decimal(0, 10_000);

export const JUDGING_VARIABLES = {
  TRUSTED_NETWORKS: networksOrNone().prefault("127.0.0.0/8,::1"),
  DNS_LISTS: dnsLists().prefault(""),
  DNS_LISTS_REJECT_WEIGHT: offOr(points()).prefault("8"),
  LINK_LISTS: dnsLists().prefault(""),
  DNS_LIST_TIMEOUT_S: seconds(0.05, 60).prefault("2"),
  REVERSE_DNS: oneOf(USES).prefault("score"),
  HELO_CHECK: oneOf(USES).prefault("score"),
  TARPIT_MAX_S: seconds(0, 60).prefault("10"),
  RATE_CONNECTIONS_PER_IP: offOr(rate()).prefault("300/1m"),
  RATE_CONNECTIONS_PER_NET: offOr(rate()).prefault("off"),
  RATE_MESSAGES_PER_IP: offOr(rate()).prefault("1000/1m"),
  RATE_MESSAGES_PER_NET: offOr(rate()).prefault("off"),
  RATE_RECIPIENTS_PER_IP: offOr(rate()).prefault("5000/1m"),
  RATE_RECIPIENTS_PER_NET: offOr(rate()).prefault("off"),
  RATE_MESSAGES_PER_SENDER_DOMAIN: offOr(rate()).prefault("off"),
  RATE_RECIPIENTS_PER_SENDER_DOMAIN: offOr(rate()).prefault("off"),
  RATE_MESSAGES_PER_RECIPIENT: offOr(rate()).prefault("off"),
  SPF_FAIL: oneOf(["score", "reject"]).prefault("score"),
  DMARC_POLICY: oneOf(["enforce", "quarantine", "none"]).prefault("enforce"),
  DMARC_QUARANTINE: oneOf(["junk", "hold"]).prefault("junk"),
  DMARC_EXEMPT_DOMAINS: orNull(domainNames()),
  ARC_TRUSTED_SEALERS: orNull(domainNames()),
  AUTH_TEMPERROR: oneOf(["defer", "accept"]).prefault("defer"),
  GREYLIST: oneOf(["off", "suspicious", "all"]).prefault("off"),
  GREYLIST_DELAY_S: seconds(0, 86_400).prefault("300"),
  GREYLIST_WINDOW_S: seconds(1, 30 * 86_400).prefault("172800"),
  GREYLIST_KNOWN_DAYS: wholeNumber(1, 3650).prefault("36"),
  ENABLE_SPAM_FILTER: yesOrNo().prefault("true"),
  SPAM_TAG_SCORE: offOr(points()).prefault("5"),
  SPAM_GREYLIST_SCORE: offOr(points()).prefault("off"),
  SPAM_QUARANTINE_SCORE: offOr(points()).prefault("off"),
  SPAM_REJECT_SCORE: offOr(points()).prefault("15"),
  SPAM_RULES_PATH: orNull(path()),
  JUNK_FOLDER: offOr(text("a folder's name", /^[^/.\p{Cc}]{1,60}$/u)).prefault("Junk"),
  QUARANTINE_DAYS: wholeNumber(1, 3650).prefault("30"),
  RSPAMD_URL: orNull(rspamdUrl()),
  RSPAMD_TIMEOUT_S: seconds(0.1, 300).prefault("10"),
  RSPAMD_ON_FAILURE: oneOf(FAILURES).prefault("accept"),
  RSPAMD_WEIGHT: decimal(0, 100).prefault("0.5"),
  CLAMD_ADDRESS: orNull(filterAddress()),
  CLAMD_TIMEOUT_S: seconds(0.1, 300).prefault("30"),
  CLAMD_ON_FAILURE: oneOf(FAILURES).prefault("defer"),
  MILTERS: orNull(milters()),
  MILTERS_TIMEOUT_S: seconds(0.1, 300).prefault("30"),
  MILTERS_ON_FAILURE: oneOf(FAILURES).prefault("defer"),
  POLICY_MODULE: orNull(path()),
  POLICY_TIMEOUT_S: seconds(0.01, 60).prefault("2"),
  POLICY_ON_FAILURE: oneOf(FAILURES).prefault("accept"),
  DMARC_REPORTS: oneOf(["off", "send"]).prefault("off"),
  DMARC_REPORT_FROM: orNull(mailAddress()),
  DMARC_REPORTS_TO: orNull(mailAddress()),
} as const;

type Settings = {
  [Name in keyof typeof JUDGING_VARIABLES]: z.output<(typeof JUDGING_VARIABLES)[Name]>;
};

/** Settings that are right one by one and cannot hold together. */
export function judgingContradictions(settings: Partial<Settings>): string[] {
  const ladder = [
    "SPAM_GREYLIST_SCORE",
    "SPAM_TAG_SCORE",
    "SPAM_QUARANTINE_SCORE",
    "SPAM_REJECT_SCORE",
  ] as const;
  const mistakes: string[] = [];
  for (let at = ladder.indexOf("SPAM_TAG_SCORE"); at < ladder.length; at++) {
    const lower = ladder.slice(1, at).findLast((name) => settings[name] != null);
    if (lower === undefined || settings[ladder[at]] == null) continue;
    if (settings[ladder[at]]! < settings[lower]!) {
      mistakes.push(`${ladder[at]}: expected at least the value of ${lower}`);
    }
  }
  if ((settings.GREYLIST_WINDOW_S ?? Infinity) <= (settings.GREYLIST_DELAY_S ?? 0)) {
    mistakes.push("GREYLIST_WINDOW_S: expected more than the value of GREYLIST_DELAY_S");
  }
  if (settings.GREYLIST === "suspicious" && settings.SPAM_GREYLIST_SCORE === null) {
    mistakes.push("SPAM_GREYLIST_SCORE: missing, while GREYLIST is suspicious");
  }
  return mistakes;
}

export function toJudging(settings: Settings) {
  return {
    trustedNetworks: settings.TRUSTED_NETWORKS,
    dnsLists: settings.DNS_LISTS,
    /** `null`: lists only score. */
    dnsListsRejectWeight: settings.DNS_LISTS_REJECT_WEIGHT,
    linkLists: settings.LINK_LISTS,
    dnsListTimeoutMs: settings.DNS_LIST_TIMEOUT_S,
    reverseDns: settings.REVERSE_DNS,
    heloCheck: settings.HELO_CHECK,
    tarpitMaxMs: settings.TARPIT_MAX_S,
    rates: {
      connections_per_ip: settings.RATE_CONNECTIONS_PER_IP,
      connections_per_net: settings.RATE_CONNECTIONS_PER_NET,
      messages_per_ip: settings.RATE_MESSAGES_PER_IP,
      messages_per_net: settings.RATE_MESSAGES_PER_NET,
      recipients_per_ip: settings.RATE_RECIPIENTS_PER_IP,
      recipients_per_net: settings.RATE_RECIPIENTS_PER_NET,
      messages_per_sender_domain: settings.RATE_MESSAGES_PER_SENDER_DOMAIN,
      recipients_per_sender_domain: settings.RATE_RECIPIENTS_PER_SENDER_DOMAIN,
      messages_per_recipient: settings.RATE_MESSAGES_PER_RECIPIENT,
    },
    spfFail: settings.SPF_FAIL,
    dmarcPolicy: settings.DMARC_POLICY,
    dmarcQuarantine: settings.DMARC_QUARANTINE,
    dmarcExemptDomains: settings.DMARC_EXEMPT_DOMAINS ?? [],
    arcTrustedSealers: settings.ARC_TRUSTED_SEALERS ?? [],
    authTemperror: settings.AUTH_TEMPERROR,
    greylist: settings.GREYLIST,
    greylistDelayMs: settings.GREYLIST_DELAY_S,
    greylistWindowMs: settings.GREYLIST_WINDOW_S,
    greylistKnownMs: settings.GREYLIST_KNOWN_DAYS * DAY_MS,
    enableSpamFilter: settings.ENABLE_SPAM_FILTER,
    /** Points from which on; `null`: never. */
    spamScores: {
      tag: settings.SPAM_TAG_SCORE,
      greylist: settings.SPAM_GREYLIST_SCORE,
      quarantine: settings.SPAM_QUARANTINE_SCORE,
      reject: settings.SPAM_REJECT_SCORE,
    },
    /** `null`: those that come with the server. */
    spamRulesPath: settings.SPAM_RULES_PATH,
    /** `null`: tagged mail goes to the inbox. */
    junkFolder: settings.JUNK_FOLDER,
    quarantineMs: settings.QUARANTINE_DAYS * DAY_MS,
    rspamd: settings.RSPAMD_URL === null ? null : {
      url: settings.RSPAMD_URL,
      weight: settings.RSPAMD_WEIGHT,
      timeoutMs: settings.RSPAMD_TIMEOUT_S,
      onFailure: settings.RSPAMD_ON_FAILURE,
    },
    clamd: settings.CLAMD_ADDRESS === null ? null : {
      address: settings.CLAMD_ADDRESS,
      timeoutMs: settings.CLAMD_TIMEOUT_S,
      onFailure: settings.CLAMD_ON_FAILURE,
    },
    milters: (settings.MILTERS ?? []).map((address) => ({
      address,
      timeoutMs: settings.MILTERS_TIMEOUT_S,
      onFailure: settings.MILTERS_ON_FAILURE,
    })),
    policyModule: settings.POLICY_MODULE === null ? null : {
      path: settings.POLICY_MODULE,
      timeoutMs: settings.POLICY_TIMEOUT_S,
      onFailure: settings.POLICY_ON_FAILURE,
    },
    sendsDmarcReports: settings.DMARC_REPORTS === "send",
    /** `null`: `dmarc-reports@` the first local domain. */
    dmarcReportFrom: settings.DMARC_REPORT_FROM,
    /** Reports of others that arrive here are kept; `null`: `dmarc-reports@` any local domain. */
    dmarcReportsTo: settings.DMARC_REPORTS_TO,
  };
}
