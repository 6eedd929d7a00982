/**
 * The spool: where accepted mail waits, and the truth about every delivery.
 * An attempt may run twice, never zero times.
 */
import type { BodyType, Hold, RoutedRecipient, Transport } from "../mail/envelope.ts";
import type { DeliveryId, QueueId } from "../mail/queue_id.ts";

/** A message we answer for, ready to be committed. */
export interface AcceptedMessage {
  readonly id: QueueId;
  readonly acceptedAtMs: number;
  readonly reversePath: string;
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
  readonly clientAddress: string;
  readonly heloName: string;
  /** RFC 3848 name, e.g. `ESMTPS`. */
  readonly protocol: string;
  /** Header section (our trace header on top) and body, CRLF line ends, no dot stuffing. */
  readonly octets: Uint8Array;
  readonly recipients: readonly RoutedRecipient[];
  /** Nobody is to deliver it before it is released, see `quarantine.ts`. */
  readonly hold?: Hold | null;
}

/** A delivery this worker alone may attempt until its lease ends. */
export interface LeasedDelivery {
  readonly id: DeliveryId;
  readonly message: QueueId;
  readonly forwardPath: string;
  readonly transport: Transport;
  readonly destination: string;
  /** Attempts finished before this one. */
  readonly attempts: number;
  /** A lease before this one ran out or was cut off: its attempt may have got through unrecorded. */
  readonly wasLeased: boolean;
  readonly queuedAtMs: number;
  readonly reversePath: string;
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
  readonly sizeOctets: number;
}

export interface Lease {
  /** Who attempts: node and worker, for people who read the table. */
  readonly owner: string;
  readonly nowMs: number;
  readonly untilMs: number;
}

/** What an attempt learnt; `null` fields were not reached. */
export interface AttemptRecord {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly mxHost: string | null;
  readonly remoteAddress: string | null;
  readonly tls: boolean;
  /** The last reply, or our own words for what went wrong, one line of at most 512 characters. */
  readonly diagnostic: string;
  /** RFC 3463 status, e.g. `2.0.0`. */
  readonly enhancedStatus: string;
}

export type Settlement =
  | { readonly id: DeliveryId; readonly outcome: "delivered"; readonly attempt: AttemptRecord }
  | {
    readonly id: DeliveryId;
    readonly outcome: "deferred";
    readonly attempt: AttemptRecord;
    readonly nextAttemptAtMs: number;
  }
  | { readonly id: DeliveryId; readonly outcome: "failed"; readonly attempt: AttemptRecord }
  /** Given back untried, e.g. at shutdown. */
  | { readonly id: DeliveryId; readonly outcome: "released"; readonly nextAttemptAtMs: number };

/** A delivery the dispatcher should know of. */
export interface PendingDelivery {
  readonly id: DeliveryId;
  readonly destination: string;
  readonly nextAttemptAtMs: number;
}

export interface QueueDepth {
  readonly queued: number;
  readonly leased: number;
  readonly deferred: number;
  /** In quarantine. */
  readonly held: number;
}

export interface Spool {
  /**
   * Resolves once these messages survive a crash; the 250 after DATA waits for it (RFC 5321 §6.1).
   * The caller must not change `octets` until then.
   * @throws {StoreUnavailableError} outcome unknown; the session answers 451 4.3.0.
   */
  commit(messages: readonly AcceptedMessage[]): Promise<void>;
  /** Leases those of `ids` that are due and free; the rest are someone else's. */
  claim(ids: readonly DeliveryId[], lease: Lease): Promise<readonly LeasedDelivery[]>;
  /** Bodies by message; one missing from the answer is gone for good, or in quarantine. */
  read(messages: readonly QueueId[]): Promise<ReadonlyMap<QueueId, Uint8Array>>;
  /**
   * Ends leases of `owner`, in one transaction with the delivery reports they give rise to. Idempotent.
   * A final outcome counts even when the lease was lost meanwhile, a deferral does not.
   */
  settle(
    settlements: readonly Settlement[],
    options: { owner: string; reports: readonly AcceptedMessage[] },
  ): Promise<void>;
  /** Ends all leases of owners whose name begins so: they died. Answers what became free. */
  abandon(ownerPrefix: string): Promise<readonly PendingDelivery[]>;
  /** Unfinished deliveries that are not held, in id order, from behind `after`; those due and free, or all of them. */
  pending(page: PendingPage): Promise<readonly PendingDelivery[]>;
  depth(): Promise<QueueDepth>;
  /** Frees the room of bodies nobody needs any more; cheap to call often. */
  purge(nowMs: number): Promise<void>;
  /**
   * Forgets finished messages accepted before then, a bounded number a call; answers how many. What is
   * unfinished or held is never forgotten.
   */
  forget(beforeMs: number): Promise<number>;
}

export interface PendingPage {
  /** Only deliveries due by then whose lease is over by then; `null` for every unfinished one. */
  readonly dueBeforeMs: number | null;
  readonly after: DeliveryId | null;
  readonly limit: number;
}
