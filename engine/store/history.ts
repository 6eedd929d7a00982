/** What became of a message, and what the queue holds: for people to look at. Times are Unix epoch. */
import type { DeliveryId, QueueId } from "../mail/queue_id.ts";

export interface QueuedDelivery {
  readonly id: DeliveryId;
  readonly reversePath: string;
  readonly forwardPath: string;
  readonly state: string;
  readonly attempts: number;
  readonly acceptedAtMs: number;
  readonly nextAttemptAtMs: number;
  readonly sizeOctets: number;
  /** Of the last attempt; `null` before the first. */
  readonly diagnostic: string | null;
}

export interface TracedAttempt {
  readonly attempt: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: string;
  readonly mxHost: string | null;
  readonly remoteAddress: string | null;
  readonly tls: boolean;
  readonly enhancedStatus: string;
  readonly diagnostic: string;
}

export interface TracedDelivery {
  readonly recipient: number;
  readonly forwardPath: string;
  readonly state: string;
  readonly attempts: readonly TracedAttempt[];
  /** `null` once it is over, and while it is held. */
  readonly nextAttemptAtMs: number | null;
}

/** That it was kept from delivery, and what was decided about that. */
export interface TracedHold {
  readonly reason: string;
  readonly explanation: string;
  readonly untilMs: number;
  readonly decision: "released" | "deleted" | "expired" | null;
  /** `null` while nobody has decided. */
  readonly decidedAtMs: number | null;
}

export interface Trace {
  readonly id: QueueId;
  readonly acceptedAtMs: number;
  readonly reversePath: string;
  readonly clientAddress: string;
  readonly heloName: string;
  readonly protocol: string;
  readonly sizeOctets: number;
  /** `null` when it went straight to the queue. */
  readonly hold: TracedHold | null;
  readonly deliveries: readonly TracedDelivery[];
}

export interface History {
  /** Unfinished deliveries, the oldest first, at most `limit`. */
  queue(options: { readonly limit: number }): Promise<readonly QueuedDelivery[]>;
  /** How many messages are kept from the queue. */
  held(): Promise<number>;
  /** `null` when no message has that id. */
  trace(id: QueueId): Promise<Trace | null>;
}
