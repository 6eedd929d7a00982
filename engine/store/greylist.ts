/**
 * What greylisting remembers, for all workers and nodes: who has come once and shall come again, and who is trusted
 * because he did. Kept nowhere on disk. What the keys stand for is not known here.
 */

export interface GreylistQuery {
  /** Whom mail may come from at once when he is trusted; one of them is enough. At most 16. */
  readonly senders: readonly GreylistSender[];
  /** What the message is known by when it comes again; one of them is enough. At most 16. */
  readonly triplets: readonly string[];
  /** Its senders are trusted from now on, without having passed. */
  readonly isVouchedFor: boolean;
  /** How long a triplet waits. */
  readonly delayMs: number;
  /** Since when it first came, a triplet may come again; longer than `delayMs`, at most a year. */
  readonly windowMs: number;
  /** How long senders and triplets are trusted after their last use; at most ten years. */
  readonly trustMs: number;
}

export interface GreylistSender {
  /** As triplets, 1 to 256 octets of printable ASCII; stores put their own prefix before it. */
  readonly key: string;
  /** So many messages have to wait and come again until he is trusted; at least 1. */
  readonly passes: number;
}

export type GreylistAnswer =
  /** A sender or a triplet is trusted, or vouched for; for all that are, the time begins anew. */
  | { readonly kind: "trusted" }
  /** It has waited: its triplets are trusted from now on, and its senders have passed once more. */
  | { readonly kind: "passed" }
  /** `isNew`: none of its triplets came before. */
  | { readonly kind: "waiting"; readonly isNew: boolean; readonly retryAfterMs: number };

export interface Greylist {
  /** @throws {StoreUnavailableError} */
  ask(query: GreylistQuery): Promise<GreylistAnswer>;
}
