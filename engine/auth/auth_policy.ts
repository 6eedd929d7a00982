/**
 * What follows from a message's authentication: whether it is taken, put off, refused or kept apart. Decides from
 * results alone and sides with the sender in doubt: what is not known for the moment never refuses mail for good.
 */
import { type Reply, reply } from "../mail/reply.ts";
import type { Authentication, DmarcPolicy } from "./results.ts";

export interface AuthPolicy {
  /** The strongest that is done where a domain asks for more. */
  readonly dmarc: "enforce" | "quarantine" | "none";
  /** What happens to mail whose judgement hangs on an answer that did not come. */
  readonly temperror: "defer" | "accept";
  /** `score`: an SPF fail alone refuses nothing. */
  readonly spfFail: "reject" | "score";
  /** Domains whose passing ARC chain is believed where all sealers are among them. Lower case, A-labels. */
  readonly trustedSealers: ReadonlySet<string>;
  /** Domains of From, and those below them, whose policy is not applied. Lower case, A-labels. */
  readonly exemptDomains: ReadonlySet<string>;
}

/** The rule that decided, for log and metrics. */
export type AuthRule =
  | "authenticated"
  | "no_policy"
  | "spf_fail"
  | "spf_temperror"
  | "from_ambiguous"
  | "dmarc_fail"
  | "dmarc_temperror"
  | "dmarc_exempt"
  | "dmarc_arc"
  | "dmarc_not_enforced";

interface Decided {
  readonly rule: AuthRule;
  /** One sentence for people, printable ASCII. */
  readonly explanation: string;
}

export type AuthDecision =
  & Decided
  & (
    | { readonly kind: "accept" }
    /** Kept until someone decides. */
    | { readonly kind: "quarantine" }
    | { readonly kind: "defer"; readonly reply: Reply }
    | { readonly kind: "reject"; readonly reply: Reply }
  );

export function decideAuthentication(
  authentication: Authentication,
  policy: AuthPolicy,
): AuthDecision {
  const { dmarc } = authentication;
  const domain = dmarc.fromDomain;
  switch (dmarc.verdict) {
    case "pass":
      return accept("authenticated", `${domain} stands behind the message`);
    case "fail":
      return onFailure(authentication, policy);
    case "temperror":
      return onTemperror(authentication, policy);
    case "permerror":
      // RFC 9989 §5.3.1 leaves it to us: two senders in one message are a way around the policy of one.
      if (dmarc.isAmbiguous && policy.dmarc !== "none") return refuseAmbiguous(policy);
      return onSpfAlone(authentication, policy);
    case "none":
      return onSpfAlone(authentication, policy);
  }
}

/** RFC 7208 §8.4, §8.6, where DMARC has nothing to say. */
function onSpfAlone(authentication: Authentication, policy: AuthPolicy): AuthDecision {
  const { mfrom } = authentication;
  if (policy.spfFail === "reject") {
    if (mfrom.verdict === "fail") return refuseSpf(authentication);
    if (mfrom.verdict === "temperror" && policy.temperror === "defer") {
      return {
        kind: "defer",
        rule: "spf_temperror",
        explanation: `What SPF says of ${mfrom.domain} could not be looked up`,
        reply: reply(451, "7.24", `SPF of ${mfrom.domain} cannot be checked now, try again later`),
      };
    }
  }
  return accept("no_policy", "No domain asks for anything");
}

function refuseAmbiguous({ dmarc }: AuthPolicy): AuthDecision {
  const decided = {
    rule: "from_ambiguous" as const,
    explanation: "From names more than one sender's domain",
  };
  return dmarc === "enforce"
    ? {
      kind: "reject",
      ...decided,
      reply: reply(550, "7.1", "Message refused: From must name one domain, once"),
    }
    : { kind: "quarantine", ...decided };
}

function onFailure(authentication: Authentication, policy: AuthPolicy): AuthDecision {
  const { dmarc } = authentication;
  const domain = dmarc.fromDomain;
  const action = actionFor(authentication, policy);
  if (action === "none") {
    // RFC 9989 §5.4: a policy that asks for nothing changes nothing; SPF's says what it said before.
    const isSilent = dmarc.policy === "none" || policy.dmarc === "none";
    const alone = isSilent ? onSpfAlone(authentication, policy) : null;
    if (alone !== null && alone.kind !== "accept") return alone;
    return accept(
      "dmarc_not_enforced",
      `${domain} is not authenticated, and nothing is done about it`,
    );
  }
  const spared = sparedBy(authentication, policy);
  if (spared !== null) return spared;
  const explanation = `${domain} is not authenticated and asks to ${dmarc.policy} such mail`;
  if (action === "quarantine") return { kind: "quarantine", rule: "dmarc_fail", explanation };
  return {
    kind: "reject",
    rule: "dmarc_fail",
    explanation,
    // RFC 7372 §3.4: more than one check failed.
    reply: reply(550, "7.26", `Message refused by the DMARC policy of ${domain}`),
  };
}

function onTemperror(authentication: Authentication, policy: AuthPolicy): AuthDecision {
  const { dmarc } = authentication;
  const domain = dmarc.fromDomain;
  // Without the record nobody knows what it asks for; with it the answer matters only if it asks for something.
  const matters = policy.dmarc !== "none" &&
    (dmarc.policy === null || actionFor(authentication, policy) !== "none");
  if (!matters || policy.temperror === "accept") {
    return accept("dmarc_temperror", `What authenticates ${domain} is not known for the moment`);
  }
  return sparedBy(authentication, policy) ?? {
    kind: "defer",
    rule: "dmarc_temperror",
    explanation: `What authenticates ${domain} could not be looked up`,
    // RFC 7372 §3.2 for SPF, else RFC 3463 §3.5: the directory failed.
    reply: reply(
      451,
      authentication.mfrom.verdict === "temperror" ? "7.24" : "4.3",
      `The DMARC policy of ${domain} cannot be checked now, try again later`,
    ),
  };
}

/** Why the policy is not applied, if it is not. */
function sparedBy({ dmarc, arc }: Authentication, policy: AuthPolicy): AuthDecision | null {
  const domain = dmarc.fromDomain;
  if (isOfAny(domain, policy.exemptDomains)) {
    return accept("dmarc_exempt", `${domain} is exempt from DMARC here`);
  }
  // A sealer in between could pair a chain of others with a message of its own: all of them must be trusted.
  const isTrusted = arc.verdict === "pass" && arc.sealers.length > 0 &&
    arc.sealers.every((sealer) => policy.trustedSealers.has(sealer));
  return isTrusted && saysDmarcPass(arc.firstResults ?? "", domain)
    ? accept(
      "dmarc_arc",
      `${domain} was authenticated before ${arc.sealers[0]} forwarded the message`,
    )
    : null;
}

/** The action a domain's policy leads to (RFC 9989 §4.7: testing lowers it by a step), at most ours. */
function actionFor({ dmarc }: Authentication, policy: AuthPolicy): DmarcPolicy {
  const asked = dmarc.policy ?? "none";
  const wanted = !dmarc.isTesting ? asked : asked === "reject" ? "quarantine" : "none";
  if (policy.dmarc === "none") return "none";
  return policy.dmarc === "quarantine" && wanted === "reject" ? "quarantine" : wanted;
}

function refuseSpf({ mfrom }: Authentication): AuthDecision {
  const told = mfrom.explanation === null ? "" : `\n${mfrom.domain} explains: ${mfrom.explanation}`;
  return {
    kind: "reject",
    rule: "spf_fail",
    explanation: `${mfrom.domain} does not let this client send for it`,
    // RFC 7372 §3.2
    reply: reply(550, "7.23", `${mfrom.domain} does not let you send for it (SPF)${told}`),
  };
}

const DMARC_PASS = /^[ \t]*dmarc[ \t]*=[ \t]*pass(?![a-z0-9-])/i;
const HEADER_FROM = /[ \t]header\.from[ \t]*=[ \t]*([^ \t]+)/i;

/** Whether an ARC-Authentication-Results says that this domain passed. */
function saysDmarcPass(results: string, domain: string): boolean {
  return bareResults(results).some((result) => {
    if (!DMARC_PASS.test(result)) return false;
    const from = HEADER_FROM.exec(result)?.[1].toLowerCase();
    return from === domain || from?.endsWith(`@${domain}`);
  });
}

/** The results without comments and quoted strings: what stands in those may be a stranger's words. */
function bareResults(text: string): string[] {
  const results = [""];
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\" && (isQuoted || depth > 0)) at++;
    else if (character === '"' && depth === 0) isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (character === "(") depth++;
    else if (character === ")") depth = Math.max(0, depth - 1);
    else if (depth > 0) continue;
    else if (character === ";") results.push("");
    else results[results.length - 1] += character;
  }
  return results;
}

function isOfAny(domain: string, domains: ReadonlySet<string>): boolean {
  for (let name = domain; name !== "";) {
    if (domains.has(name)) return true;
    const dot = name.indexOf(".");
    name = dot < 0 ? "" : name.slice(dot + 1);
  }
  return false;
}

function accept(rule: AuthRule, explanation: string): AuthDecision {
  return { kind: "accept", rule, explanation };
}
