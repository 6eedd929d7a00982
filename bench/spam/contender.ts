/** A filter that learns one half of the corpus and judges the other. */
import type { CorpusMessage } from "./corpus.ts";

export interface Contender {
  readonly name: string;
  /** Points from which on it takes a message for spam, as it comes. */
  readonly defaultPoints: number;
  /** Points of each message, in their order. */
  judge(
    messages: readonly CorpusMessage[],
    learnt: readonly CorpusMessage[],
  ): Promise<readonly number[]>;
}
