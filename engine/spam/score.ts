/**
 * How much speaks against a message: asks every signal, and weighs what they found by the rules. Pure, and linear in
 * what a stranger sends. What is done with a score stands in `verdict.ts`.
 */
import type { BayesProbability } from "./bayes.ts";
import type { MailFacts, Reputation, Signal, SpamScore } from "./facts.ts";
import { Findings } from "./findings.ts";
import { hasGtube } from "./gtube.ts";
import type { NameWatch } from "./lookalike.ts";
import { readFields } from "./mail_fields.ts";
import type { MailView } from "./mail_view.ts";
import type { Rules } from "./rules.ts";
import { findAttachments } from "./signals_attachments.ts";
import { findAuthentication } from "./signals_authentication.ts";
import { findClient } from "./signals_client.ts";
import { findForm } from "./signals_form.ts";
import { findHeader } from "./signals_header.ts";
import { findLinks } from "./signals_links.ts";
import { findPhishing } from "./signals_phishing.ts";
import { findText } from "./signals_text.ts";

export interface ScoreOptions {
  readonly rules: Rules;
  /** `null`: too little was learnt to ask. */
  readonly bayes: BayesProbability | null;
  /** Domains of ours, made once for many messages. */
  readonly localDomains: NameWatch;
}

export function scoreMail(facts: MailFacts, options: ScoreOptions): SpamScore {
  const { rules, bayes, localDomains } = options;
  const fields = readFields(facts.header);
  const view: MailView = { facts, fields, knowledge: rules.knowledge, localDomains };
  const findings = new Findings();
  if (hasGtube(facts.content.text)) findings.add("GTUBE");
  findAuthentication(view, findings);
  findClient(view, findings);
  findHeader(view, findings);
  findForm(view, findings);
  findText(view, findings);
  findLinks(view, findings);
  findAttachments(view, findings);
  findPhishing(view, findings);
  for (
    const [name, phrases] of rules.phrases.findIn(`${fields.subject ?? ""}\n${facts.content.text}`)
  ) {
    findings.addEach(name, { detail: phrases.slice(0, 4).join(", ") });
  }
  findReputation(facts.reputations, findings);
  if (bayes !== null) findBayes(bayes, findings);
  return weigh(findings, rules);
}

/** So many messages of a sender weigh half. */
const REPUTATION_HALF = 5;

function findReputation(reputations: readonly Reputation[], findings: Findings): void {
  for (const { subject, ham, spam } of reputations.slice(0, 4)) {
    const amount = (spam - ham) / (spam + ham + REPUTATION_HALF);
    if (Math.abs(amount) >= 0.1) findings.addEach("REPUTATION", { detail: subject, amount });
  }
}

/** So many messages of either kind make what was learnt as good as it gets; fewer have less to say. */
const LEARNT_ENOUGH = 600;

function findBayes({ probability, messages }: BayesProbability, findings: Findings): void {
  const learnt = Math.min(messages.ham, messages.spam);
  const lean = (2 * probability - 1) * Math.min(1, learnt / LEARNT_ENOUGH);
  const detail = `probability ${probability.toFixed(3)}`;
  if (lean > 0) findings.add("BAYES_SPAM", detail, lean);
  if (lean < 0) findings.add("BAYES_HAM", detail, -lean);
}

function weigh(findings: Findings, rules: Rules): SpamScore {
  const signals: Signal[] = [];
  let sum = 0;
  for (const { name, amount, detail } of findings.all) {
    const rule = rules.byName.get(name);
    if (rule === undefined) continue;
    const points = Math.round(rule.points * amount * 100) / 100;
    if (points === 0) continue;
    sum += points;
    signals.push({ name, points, text: detail === "" ? rule.text : `${rule.text} (${detail})` });
  }
  signals.sort((a, b) => Math.abs(b.points) - Math.abs(a.points));
  return { points: Math.round(sum * 100) / 100, signals };
}
