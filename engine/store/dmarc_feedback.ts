/**
 * What was observed about other domains' DMARC, by policy domain and day, until it is reported to them. All
 * nodes count into it; one at a time sends.
 */
import type { FeedbackBatch, FeedbackRow } from "../auth/reports/feedback.ts";

export interface DueFeedback {
  /** `2031-05-05`, in UTC. */
  readonly day: string;
  readonly domain: string;
  /** The tags of the domain's DMARC record as it was seen last. */
  readonly record: Readonly<Record<string, string>>;
  /** Mail that was its own was spam. */
  readonly isTainted: boolean;
}

export interface CountedRow {
  readonly row: FeedbackRow;
  readonly messages: number;
}

export interface DmarcFeedback {
  /** Adds to what is there. Rows of a domain beyond a bound are not taken. */
  add(batches: readonly FeedbackBatch[]): Promise<void>;
  /** Days before that one nobody has settled, the oldest first. */
  due(beforeDay: string, limit: number): Promise<readonly DueFeedback[]>;
  /** The rows with most messages. */
  rows(feedback: DueFeedback, limit: number): Promise<readonly CountedRow[]>;
  /**
   * Says what became of a domain's day, for good, and drops its rows. False when that was said before: so
   * of several who try, one goes on.
   */
  settle(feedback: DueFeedback, outcome: string): Promise<boolean>;
  /** Forgets days before that one, sent or not, a bounded number of domains a call; answers how many. */
  forget(beforeDay: string): Promise<number>;
  /** Runs `work` unless another node is at it; `null` then. @throws {StoreUnavailableError} */
  exclusively<T>(work: () => Promise<T>): Promise<T | null>;
}
