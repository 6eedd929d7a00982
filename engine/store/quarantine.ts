/**
 * Mail that is accepted and kept from delivery: what there is, and what is decided about it. The spool
 * puts it here (`AcceptedMessage.hold`); why is not known here.
 */
import type { QueueId } from "../mail/queue_id.ts";
import type { PendingDelivery } from "./spool.ts";

export interface HeldMessage {
  readonly id: QueueId;
  readonly acceptedAtMs: number;
  readonly reversePath: string;
  /** Forward-paths, in the order of the envelope. */
  readonly recipients: readonly string[];
  readonly clientAddress: string;
  readonly heloName: string;
  readonly sizeOctets: number;
  /** The rule that held it. */
  readonly reason: string;
  /** One line for people. */
  readonly explanation: string;
  /** When it is given up, if nobody decides. */
  readonly untilMs: number;
  /** The message's first octets, at most `MAX_HEAD_OCTETS`: enough for most header sections. */
  readonly head: Uint8Array;
}

export const MAX_HEAD_OCTETS = 16_384;

export interface HeldPage {
  /** A forward-path in any case, or `@domain`; `null` for all. */
  readonly recipient: string | null;
  /** A reverse-path in any case, or `@domain`; `null` for all. */
  readonly sender: string | null;
  readonly reason: string | null;
  /** Only what is older than this one; `null` begins with the newest. */
  readonly before: QueueId | null;
  readonly limit: number;
}

export interface Quarantine {
  /** What is held, the newest first. */
  list(page: HeldPage): Promise<readonly HeldMessage[]>;
  /** `null` when no message of that id is held. */
  show(id: QueueId): Promise<HeldMessage | null>;
  /** The whole message; `null` when no message of that id is held. */
  read(id: QueueId): Promise<Uint8Array | null>;
  /**
   * Sets held messages on their way, with as much time for it as if they had just been accepted.
   * Answers their deliveries; the dispatcher finds them by itself, though sooner when told.
   */
  release(ids: readonly QueueId[], nowMs: number): Promise<readonly PendingDelivery[]>;
  /** Gives held messages up, without a word to their senders. Answers those that were held. */
  discard(ids: readonly QueueId[], nowMs: number): Promise<readonly QueueId[]>;
  /** Gives up what nobody decided about in time, a bounded number a call; answers how many. */
  expire(nowMs: number): Promise<number>;
}
