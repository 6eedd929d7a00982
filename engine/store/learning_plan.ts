/** What lessons change, given what was learnt before: which counts go up and which go down. Pure. */
import type { Lesson, LessonOutcome, MailLabel } from "./spam_memory.ts";

/** What was learnt of a message in a scope; `null` takes it back. */
export interface LearnedMark {
  readonly scope: string;
  readonly fingerprint: string;
  readonly label: MailLabel | null;
}

/** Changes of tokens by scope, never of a token twice; ordered by scope and token. */
export interface TokenChange {
  readonly scope: string;
  readonly token: number;
  readonly ham: number;
  readonly spam: number;
}

export interface LearningPlan {
  readonly outcomes: readonly LessonOutcome[];
  /** Each message of a scope once. */
  readonly marks: readonly LearnedMark[];
  /** Messages by scope; may go down. */
  readonly messages: ReadonlyMap<string, { readonly ham: number; readonly spam: number }>;
  readonly added: readonly TokenChange[];
  /** Positive numbers, to be taken off. */
  readonly taken: readonly TokenChange[];
}

/** A lesson, or with `null` its opposite. */
export type Told = Omit<Lesson, "label"> & { readonly label: MailLabel | null };

/** What `known` is asked by. */
export function markKey(mark: Pick<LearnedMark, "scope" | "fingerprint">): string {
  return `${mark.fingerprint} ${mark.scope}`;
}

/** @param known labels of messages learnt before, by `markKey`. */
export function planLearning(
  lessons: readonly Told[],
  known: ReadonlyMap<string, MailLabel>,
): LearningPlan {
  const marks = new Map<string, LearnedMark>();
  const sums = new Map<string, ScopeSums>();
  const outcomes = lessons.map(({ fingerprint, scopes, label, tokens }): LessonOutcome => {
    let outcome: LessonOutcome = "known";
    for (const scope of scopes) {
      const key = markKey({ scope, fingerprint });
      const mark = marks.get(key);
      const before = mark === undefined ? known.get(key) ?? null : mark.label;
      if (before === label) continue;
      const sum = sums.get(scope) ?? new ScopeSums();
      sums.set(scope, sum);
      if (before !== null) sum.add(tokens, before, -1);
      if (label !== null) sum.add(tokens, label, 1);
      marks.set(key, { scope, fingerprint, label });
      if (before === null) outcome = "learned";
      else if (outcome === "known") outcome = "moved";
    }
    return outcome;
  });
  const ordered = [...sums].sort(([a], [b]) => a < b ? -1 : 1);
  return {
    outcomes,
    marks: [...marks.values()],
    messages: new Map(ordered.map(([scope, { ham, spam }]) => [scope, { ham, spam }])),
    added: ordered.flatMap(([scope, sum]) => sum.changes(scope, 1)),
    taken: ordered.flatMap(([scope, sum]) => sum.changes(scope, -1)),
  };
}

/** What is to be added to a scope in all. */
class ScopeSums {
  ham = 0;
  spam = 0;
  readonly #tokens = new Map<number, { ham: number; spam: number }>();

  add(tokens: Float64Array, label: MailLabel, change: 1 | -1): void {
    this[label] += change;
    for (const token of tokens) {
      let counts = this.#tokens.get(token);
      if (counts === undefined) this.#tokens.set(token, counts = { ham: 0, spam: 0 });
      counts[label] += change;
    }
  }

  /** @param sign 1: what goes up; -1: what goes down, as positive numbers. */
  changes(scope: string, sign: 1 | -1): TokenChange[] {
    const changes: TokenChange[] = [];
    for (const [token, { ham, spam }] of this.#tokens) {
      const [more, bad] = [Math.max(0, sign * ham), Math.max(0, sign * spam)];
      if (more > 0 || bad > 0) changes.push({ scope, token, ham: more, spam: bad });
    }
    return changes.sort((a, b) => a.token - b.token);
  }
}
