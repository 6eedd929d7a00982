/**
 * Judges a message once it is read: has it authenticated, filtered and scored, and makes of the verdict what the
 * session does with it. What follows from what is decided in `message_verdict.ts`.
 */
import { type AuthDecision, decideAuthentication } from "../auth/auth_policy.ts";
import { authenticationResultsField, forgedResults } from "../auth/authentication_results.ts";
import type { Authentication } from "../auth/results.ts";
import type { SpfResults } from "../auth/spf.ts";
import { policyMessage } from "../filters/policy_facts.ts";
import type { FilterJudgement } from "../filters/run_filters.ts";
import { mergeRanges } from "../mail/octet_range.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { InboundRefusal, JudgedMessage, MessageJudgement } from "../smtp/inbound.ts";
import type { ClientFacts, MailFacts, Signal, SpamScore } from "../spam/facts.ts";
import { readContent } from "../spam/read_content.ts";
import { isWellKnown, senderSubjects } from "../spam/reputation.ts";
import { forgedSpamFields, isSuspicious, spamFields, spamVerdict } from "../spam/verdict.ts";
import { type PolicyStanding, withOpinion } from "./hooks.ts";
import { type MessageVerdict, messageVerdict } from "./message_verdict.ts";
import { actionOf, type JudgedMail, type JudgedSession } from "./observer.ts";
import type { JudgeServices } from "./services.ts";

export interface MessageContext {
  readonly session: JudgedSession;
  readonly clientPort: number;
  readonly client: ClientFacts;
  readonly spf: SpfResults;
  readonly standing: PolicyStanding;
}

/** What was found about a message. */
interface Found {
  readonly facts: MailFacts & { readonly authentication: Authentication };
  readonly filters: FilterJudgement;
  /** Of whom its judgement is remembered. */
  readonly subjects: readonly string[];
  /** `null` where nothing is scored. */
  readonly score: SpamScore | null;
  readonly standing: PolicyStanding;
  readonly refusedByPolicy: Reply | null;
}

export async function judgeMessage(
  message: JudgedMessage,
  context: MessageContext,
  services: JudgeServices,
): Promise<MessageJudgement> {
  const malformed = refusalOfForm(message);
  if (malformed !== null) return { kind: "refused", refusal: malformed };
  const startedMs = services.now();
  const found = await heard(await find(message, context, services), message, context, services);
  const decision = decideAuthentication(
    found.facts.authentication,
    services.policy.authentication,
  );
  const verdict = await greylisted(verdictOf(found, decision, services), found, services);
  const tookMs = services.now() - startedMs;
  tell(verdict, found, { ...context.session, decidedBy: decision.rule, tookMs }, services);
  if (verdict.kind === "refused") {
    const { reason, reply } = verdict;
    return { kind: "refused", refusal: { reason, reply } };
  }
  services.takeReports(message.octets, found.facts);
  return accepted(verdict, message, found, services);
}

/** What programs read differently: who is judged by one reading must not be shown by another. */
function refusalOfForm({ octets, header }: JudgedMessage): InboundRefusal | null {
  // It would go on with the last field of ours.
  if (octets[0] === 0x20 || octets[0] === 0x09) {
    const text = "Message begins with a folded line (RFC 5322 2.2.3)";
    return { reason: "policy", reply: reply(550, "6.0", text) };
  }
  if (header.isTerminated || header.sizeOctets === octets.length) return null;
  return { reason: "policy", reply: reply(552, "3.4", "Header section is too large") };
}

/** Asks everyone but the operator's policy, as much as possible at once. */
async function find(
  { octets, header, reversePath, named }: JudgedMessage,
  { client, clientPort, spf, session, standing }: MessageContext,
  services: JudgeServices,
): Promise<Found> {
  const recipients = [...named];
  const content = readContent(octets, header);
  const [authentication, linkLists, filters] = await Promise.all([
    services.authenticate(octets, { header, spf }),
    services.linkLists(content.links.map(({ host }) => host)),
    services.filter({
      octets,
      header,
      client: { address: client.address, port: clientPort, reverseName: client.reverse.name },
      heloName: client.heloName,
      reversePath,
      recipients,
      id: session.sessionId,
      user: null,
    }),
  ]);
  const subjects = senderSubjects({ authentication, clientAddress: client.address });
  const facts = {
    nowMs: services.now(),
    client,
    reversePath,
    recipients,
    authentication,
    header,
    content,
    sizeOctets: octets.length,
    linkLists,
    reputations: await services.reputationsOf(subjects),
  };
  const score = services.policy.spam === null ? null : services.score(facts);
  const signals = [...standing.signals, ...filters.kind === "passed" ? filters.signals : []];
  return {
    ...{ facts, filters, subjects, standing, refusedByPolicy: null },
    score: withSignals(score, signals),
  };
}

/** The same with what the operator's policy says of it. */
async function heard(
  found: Found,
  { octets }: JudgedMessage,
  { session: { sessionId } }: MessageContext,
  { hooks }: JudgeServices,
): Promise<Found> {
  if (!hooks.has("onMessage") || found.standing.isAccepted) return found;
  const score = found.score ?? { points: 0, signals: [] };
  const opinion = await hooks.ask(
    "onMessage",
    policyMessage(found.facts, { octets, sessionId, score }),
  );
  return {
    ...found,
    standing: withOpinion(found.standing, opinion),
    refusedByPolicy: opinion.kind === "refused" ? opinion.reply : null,
    score: withSignals(found.score, opinion.kind === "signal" ? [opinion.signal] : []),
  };
}

function withSignals(score: SpamScore | null, added: readonly Signal[]): SpamScore | null {
  if (score === null || added.length === 0) return score;
  const signals = [...score.signals, ...added]
    .sort((a, b) => Math.abs(b.points) - Math.abs(a.points));
  return { points: added.reduce((sum, { points }) => sum + points, score.points), signals };
}

function verdictOf(
  found: Found,
  authentication: AuthDecision,
  { policy }: JudgeServices,
): MessageVerdict {
  const { filters, score, standing, refusedByPolicy } = found;
  return messageVerdict({
    authentication,
    filters,
    spam: score === null || policy.spam === null ? null : {
      verdict: spamVerdict(score, policy.spam),
      isSuspicious: isSuspicious(score, policy.spam),
      points: score.points,
    },
    standing,
    refusedByPolicy,
    dmarcQuarantine: policy.dmarcQuarantine,
  });
}

/** The greylist is asked last: what is refused anyway, or let pass by the policy, never waits. */
async function greylisted(
  verdict: MessageVerdict,
  { facts, standing }: Found,
  { policy, greylist }: JudgeServices,
): Promise<MessageVerdict> {
  if (verdict.kind === "refused" || standing.isAccepted || policy.greylist === "off") {
    return verdict;
  }
  if (policy.greylist === "suspicious" && !verdict.isSuspicious) return verdict;
  const { client, reversePath, recipients, authentication, reputations } = facts;
  const refusal = await greylist({
    address: client.address,
    reversePath,
    recipients,
    authentication,
    lists: client.lists,
    isKnown: reputations.some((reputation) =>
      reputation.subject.startsWith("domain:") && isWellKnown(reputation)
    ),
  });
  return refusal === null ? verdict : { kind: "refused", reason: "greylist", ...refusal };
}

function accepted(
  { held, tagged }: Extract<MessageVerdict, { kind: "accepted" }>,
  { octets, header }: JudgedMessage,
  { facts, filters, score }: Found,
  { policy: { hostname, holdMs, spam }, now }: JudgeServices,
): MessageJudgement {
  const { client: { reverse, address }, authentication } = facts;
  const changes = filters.kind === "passed" ? filters.changes : { onTop: "", removed: [] };
  const results = authenticationResultsField(authentication, {
    hostname,
    reverse: { ...reverse, address },
  });
  const fields = score === null && tagged === null
    ? ""
    : spamFields(score, { isSpam: tagged !== null, tag: spam?.tag ?? null });
  return {
    kind: "accepted",
    clientName: reverse.name,
    // Whoever files the message by these reads no further than its beginning.
    onTop: fields + results + changes.onTop,
    removed: mergeRanges([
      ...forgedResults(octets, { header, hostname }),
      ...forgedSpamFields(header, octets),
      ...changes.removed,
    ]),
    hold: held === null
      ? null
      : { reason: held.rule, explanation: held.explanation, untilMs: now() + holdMs },
  };
}

/** What sessions of the sender to come, metrics and log should know. */
function tell(
  verdict: MessageVerdict,
  { facts, score, subjects }: Found,
  session: JudgedSession & Pick<JudgedMail, "decidedBy" | "tookMs">,
  { observer, recordReputation }: JudgeServices,
): void {
  const { sessionId, clientAddress, decidedBy, tookMs } = session;
  const { authentication, reversePath } = facts;
  const mail = { sessionId, clientAddress, reversePath };
  if (verdict.kind === "refused") {
    const { rule, reply } = verdict;
    observer.hit({ ...mail, rule, action: actionOf(reply), reason: reply.text });
  } else {
    const { held, tagged } = verdict;
    if (held !== null) {
      observer.hit({ ...mail, rule: held.rule, action: "held", reason: held.explanation });
    }
    if (tagged !== null) {
      observer.hit({ ...mail, rule: tagged.rule, action: "tagged", reason: tagged.explanation });
    }
  }
  observer.judged({ ...mail, authentication, score, verdict, decidedBy, tookMs });
  const label = labelOf(verdict);
  if (label !== null) recordReputation(subjects, label);
}

/** How a message counts for its sender; `null` where nothing was decided about its content. */
function labelOf(verdict: MessageVerdict): "ham" | "spam" | null {
  if (verdict.kind === "refused") return verdict.rule === "spam" ? "spam" : null;
  const isSpam = [verdict.held, verdict.tagged].some((finding) => finding?.rule === "spam");
  if (isSpam) return "spam";
  return verdict.held === null && verdict.tagged === null ? "ham" : null;
}
