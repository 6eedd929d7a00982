/** What judging tells, as metrics and log lines. */
import type { FilterOutcome } from "../engine/filters/run_filters.ts";
import type { InboundObserver } from "../engine/inbound/observer.ts";
import type { SpamScore } from "../engine/spam/facts.ts";
import { logInbound, logSpam } from "../engine/telemetry/events.ts";
import { logOf } from "../engine/telemetry/log.ts";
import type { Metrics } from "../engine/telemetry/metrics.ts";
import { RULES } from "../engine/telemetry/metrics_inbound.ts";

/** Signals a line of the log names. */
const LOGGED_SIGNALS = 8;

/** @param alsoJudged told of each message as well. */
export function inboundObserver(
  metrics: Metrics,
  alsoJudged: InboundObserver["judged"],
): InboundObserver {
  return {
    hit({ sessionId, clientAddress: clientIp, rule, ...hit }) {
      metrics.ruleHits.of({ rule: knownRule(rule), action: hit.action }).inc();
      logInbound.rule({ sessionId, clientIp, rule, ...hit });
    },
    judged(judged) {
      alsoJudged(judged);
      const { sessionId, clientAddress: clientIp, ...mail } = judged;
      const { authentication: { mfrom, dkim, arc, dmarc }, score, verdict, tookMs } = mail;
      const count = metrics.authenticationResults;
      count.of({ method: "spf", result: mfrom.verdict }).inc();
      count.of({ method: "dkim", result: best(dkim.map(({ verdict }) => verdict)) }).inc();
      count.of({ method: "arc", result: arc.verdict }).inc();
      count.of({ method: "dmarc", result: dmarc.verdict }).inc();
      metrics.judgeSeconds.observe(tookMs / 1000);
      if (score === null) return;
      metrics.spamScore.observe(score.points);
      const event = {
        sessionId,
        clientIp,
        reversePath: mail.reversePath,
        score: score.points,
        rules: namesOf(score),
      };
      if (verdict.kind === "refused") {
        if (verdict.rule === "spam") logSpam.rejected(event);
      } else if (verdict.held?.rule === "spam" || verdict.tagged?.rule === "spam") {
        logSpam.taken(event);
      }
    },
  };
}

/** For metrics and log: how a filter did. */
export function filterObserver(metrics: Metrics): (outcome: FilterOutcome) => void {
  const log = logOf("filter");
  return ({ filter: name, outcome, fault, detail, seconds, id }) => {
    const filter = knownFilter(name);
    const isSkipped = outcome === "stopped" || fault === "resting" || fault === "overloaded";
    metrics.filterSeconds.of({
      filter,
      outcome: isSkipped ? "skipped" : outcome === "failed" ? "failed" : "answered",
    }).observe(seconds);
    if (outcome !== "failed") return;
    log.warning("{filter} has no answer: {fault}, {detail}", {
      filter: name,
      fault,
      detail,
      session_id: id,
    });
  };
}

function knownRule(rule: string): (typeof RULES)[number] {
  return RULES.find((known) => known === rule.split(" ")[0]) ?? "policy";
}

function knownFilter(name: string): "rspamd" | "clamd" | "milter" | "policy" {
  const known = ["rspamd", "clamd", "milter"] as const;
  return known.find((filter) => name.startsWith(filter)) ?? "policy";
}

/** One result for all signatures: a good one makes up for the others. */
function best<T extends string>(verdicts: readonly T[]): T | "none" | "pass" {
  return verdicts.find((verdict) => verdict === "pass") ?? verdicts.at(0) ?? "none";
}

function namesOf({ signals }: SpamScore): readonly string[] {
  return signals.slice(0, LOGGED_SIGNALS).map(({ name, points }) => `${name}=${points}`);
}
