/** Scores messages in a session worker, by rules that stay and by knowledge that grows. */
import type { SpamKnowledge } from "../engine/runtime/wire.ts";
import { BayesModel } from "../engine/spam/bayes.ts";
import type { MailFacts, SpamScore } from "../engine/spam/facts.ts";
import { NameWatch } from "../engine/spam/lookalike.ts";
import type { Rules } from "../engine/spam/rules.ts";
import { scoreMail } from "../engine/spam/score.ts";
import { tokensOf } from "../engine/spam/tokens.ts";

export class SpamScorer {
  readonly #rules: Rules;
  /** `null` while nothing was learnt. */
  #bayes: BayesModel | null = null;
  #localDomains = new NameWatch([]);

  constructor(rules: Rules, knowledge: SpamKnowledge) {
    this.#rules = rules;
    this.use(knowledge);
  }

  use({ bayes, localDomains }: SpamKnowledge): void {
    this.#bayes = bayes.scopes.length === 0 ? null : BayesModel.fromSnapshot(bayes);
    this.#localDomains = new NameWatch(localDomains);
  }

  score(facts: MailFacts): SpamScore {
    const bayes = this.#bayes?.probability(tokensOf(facts), onlyDomain(facts.recipients)) ?? null;
    return scoreMail(facts, { rules: this.#rules, bayes, localDomains: this.#localDomains });
  }
}

/** What one domain learnt says nothing about mail to others. */
function onlyDomain(recipients: readonly string[]): string | undefined {
  const domains = new Set(
    recipients.map((path) => path.slice(path.lastIndexOf("@") + 1).toLowerCase()),
  );
  return domains.size === 1 ? domains.values().next().value : undefined;
}
