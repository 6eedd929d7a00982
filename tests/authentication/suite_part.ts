/** A suite as rounds of mail for a running server, and what must become of them. */
import type { Judged, JudgingRound } from "../fixtures/judged_mail.ts";

export interface SuitePart {
  readonly rounds: readonly JudgingRound[];
  /** What is wrong, a line each; `judged` is of the rounds, in their order. */
  faults(judged: readonly (readonly Judged[])[]): readonly string[];
}

/** What became of it, where it should have been delivered. */
export function refusedFault(name: string, judged: Judged): string[] {
  return judged.kind === "refused" ? [`${name}: ${judged.command}: ${judged.reply}`] : [];
}
