/** The metrics of what strangers' mail is judged by; part of the catalogue. */
import { counter, doubling, histogram } from "./instrument.ts";

/** Every rule that may speak against mail, by the name it has in log and metrics. */
export const RULES = [
  "early_talker",
  "dns_list",
  "reverse_dns",
  "helo",
  "connections_per_ip",
  "connections_per_net",
  "messages_per_ip",
  "messages_per_net",
  "recipients_per_ip",
  "recipients_per_net",
  "messages_per_sender_domain",
  "recipients_per_sender_domain",
  "messages_per_recipient",
  "spf_fail",
  "dmarc_fail",
  "spf_temperror",
  "from_ambiguous",
  "dmarc_temperror",
  "greylist",
  "spam",
  "rspamd",
  "clamd",
  "milter",
  "policy",
] as const;

const RESULTS = [
  "pass",
  "fail",
  "softfail",
  "neutral",
  "none",
  "policy",
  "temperror",
  "permerror",
] as const;

export const INBOUND_METRICS = {
  ruleHits: counter({
    name: "smtp_inbound_rule_hits_total",
    help: "Times a rule decided over mail from strangers, by what it brought about.",
    reading:
      "A rule that jumps: look at its lines in the log. deferred comes back, refused does not.",
    labels: { rule: RULES, action: ["refused", "deferred", "held", "tagged"] },
  }),
  authenticationResults: counter({
    name: "smtp_authentication_results_total",
    help: "Messages from strangers by what SPF, DKIM, ARC and DMARC made of them.",
    reading:
      "temperror above a few percent: the resolver is ill. dmarc fail jumps: somebody forges.",
    labels: { method: ["spf", "dkim", "arc", "dmarc"], result: RESULTS },
  }),
  listQueries: counter({
    name: "smtp_dns_list_queries_total",
    help: "Questions to DNS lists, by how they ended.",
    reading:
      "denied: the list wants you to register, or sees a public resolver. unanswered: it is slow.",
    labels: {
      outcome: ["listed", "unlisted", "unanswered", "failed", "denied", "foreign", "skipped"],
    },
  }),
  spamScore: histogram({
    name: "smtp_spam_score_points",
    help: "Spam scores of messages from strangers.",
    reading: "A hump near SPAM_TAG_SCORE: much is undecided; train with spam train.",
    buckets: [-5, -2, 0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 50],
  }),
  judgeSeconds: histogram({
    name: "smtp_judge_duration_seconds",
    help: "Time to judge a message, its questions to the DNS and to outside filters included.",
    reading: "The tail grows: slow DNS, or a slow filter; see smtp_filter_duration_seconds.",
    buckets: doubling(0.0001, 18),
  }),
  filterSeconds: histogram({
    name: "smtp_filter_duration_seconds",
    help: "Time outside filters took, by filter and outcome.",
    reading: "failed: the filter is away or too slow; what then happens is its ON_FAILURE setting.",
    labels: {
      filter: ["rspamd", "clamd", "milter", "policy"],
      outcome: ["answered", "failed", "skipped"],
    },
    buckets: doubling(0.0005, 15),
  }),
} as const;
