/** What judging tells, for metrics and log. */
import type { AuthRule } from "../auth/auth_policy.ts";
import type { Authentication } from "../auth/results.ts";
import type { Reply } from "../mail/reply.ts";
import type { SpamScore } from "../spam/facts.ts";
import type { MessageVerdict } from "./message_verdict.ts";

export type RuleAction = "refused" | "deferred" | "held" | "tagged";

export interface JudgedSession {
  readonly sessionId: string;
  readonly clientAddress: string;
}

/** A rule that spoke against mail. */
export interface RuleHit extends JudgedSession {
  readonly rule: string;
  readonly action: RuleAction;
  readonly reversePath?: string;
  readonly forwardPath?: string;
  /** What the client was told, or why the message is held or tagged. */
  readonly reason: string;
}

/** A message that was read to its end, whatever became of it. */
export interface JudgedMail extends JudgedSession {
  readonly reversePath: string;
  readonly authentication: Authentication;
  /** `null` where nothing scores. */
  readonly score: SpamScore | null;
  readonly verdict: MessageVerdict;
  /** What was decided about its authentication alone. */
  readonly decidedBy: AuthRule;
  readonly tookMs: number;
}

export interface InboundObserver {
  hit(hit: RuleHit): void;
  judged(mail: JudgedMail): void;
}

export function actionOf({ severity }: Reply): "refused" | "deferred" {
  return severity === "permanent" ? "refused" : "deferred";
}
