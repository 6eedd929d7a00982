/** A message as signals look at it: what was gathered, and what each of them would otherwise work out again. */
import type { MailFacts } from "./facts.ts";
import type { Knowledge } from "./knowledge.ts";
import type { NameWatch } from "./lookalike.ts";
import type { MailFields } from "./mail_fields.ts";

export interface MailView {
  readonly facts: MailFacts;
  readonly fields: MailFields;
  readonly knowledge: Knowledge;
  readonly localDomains: NameWatch;
}
