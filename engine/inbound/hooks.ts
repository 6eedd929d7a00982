/** The operator's policy as the judge asks it, and what it has said so far in a session. */
import type { PolicyRunner } from "../filters/policy_runner.ts";
import type { PolicyOpinion } from "../filters/policy_wire.ts";
import type { Signal } from "../spam/facts.ts";

/** Asks the policy's hooks; what goes wrong in one is no opinion. No answer rejects or takes long. */
export type Hooks = Pick<PolicyRunner, "has" | "ask">;

/** What opinions add up to. */
export interface PolicyStanding {
  /** Nothing else may speak against the mail. */
  readonly isAccepted: boolean;
  /** Why it is held; `null`: it is not. */
  readonly hold: string | null;
  readonly signals: readonly Signal[];
}

export const NO_STANDING: PolicyStanding = { isAccepted: false, hold: null, signals: [] };

/** Hooks are asked for each of many recipients: more than these say nothing new. */
const MAX_SIGNALS = 20;

/** Later opinions add to the ones before; a refusal changes nothing here. */
export function withOpinion(standing: PolicyStanding, opinion: PolicyOpinion): PolicyStanding {
  switch (opinion.kind) {
    case "accept":
      return { ...standing, isAccepted: true };
    case "quarantine":
      return { ...standing, hold: standing.hold ?? opinion.reason };
    case "signal":
      return standing.signals.length >= MAX_SIGNALS
        ? standing
        : { ...standing, signals: [...standing.signals, opinion.signal] };
    case "none":
    case "refused":
      return standing;
  }
}
