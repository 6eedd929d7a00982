/**
 * What the stages of the dialogue share: the transaction they fill, and what they need from outside.
 * One file a stage: hello and greeting in `session_connection.ts`, then `mail.ts`, `rcpt.ts`, `data.ts`.
 */
import type { BodyType, RoutedRecipient } from "../mail/envelope.ts";
import type { QueueId } from "../mail/queue_id.ts";
import type { NetworkList } from "../routing/networks.ts";
import type { Directory } from "../store/directory.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import type { MemoryBudget } from "./memory_budget.ts";

/** What a listener is for: mail from anyone, or from our own users. */
export type ListenerName = "smtp" | "submission" | "smtps";

/** One MAIL … DATA (RFC 5321 §3.3). */
export interface Transaction {
  readonly reversePath: string;
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
  /** From SIZE (RFC 1870), or 0. */
  readonly announcedOctets: number;
  /** By forward-path, so that one named twice gets one copy. */
  readonly recipients: Map<string, RoutedRecipient>;
}

/** The client as the session sees it. */
export interface Client {
  readonly address: string;
  readonly port: number;
  readonly listener: ListenerName;
  /** May send to anywhere. */
  readonly mayRelay: boolean;
}

export interface SessionPolicy {
  readonly hostname: string;
  /** The first local domain, where `<postmaster>` without a domain lives. */
  readonly localDomain: string;
  readonly maxMessageOctets: number;
  readonly maxRecipients: number;
  readonly maxReceivedHops: number;
  readonly idleTimeoutMs: number;
  readonly greetPauseMs: number;
  readonly relayNetworks: NetworkList;
}

/** Why a transaction or a command of one was refused. */
export type RefusalReason =
  | "size"
  | "hops"
  | "recipients"
  | "relay"
  | "sender"
  | "syntax"
  | "policy"
  | "memory"
  | "store";

/** What sessions tell, for metrics and log. */
export interface SessionObserver {
  opened(listener: ListenerName): void;
  closed(session: {
    readonly listener: ListenerName;
    readonly protocol: "none" | "smtp" | "esmtp";
    readonly tls: "none" | "starttls" | "implicit";
  }): void;
  refused(reason: RefusalReason): void;
  accepted(
    message: AcceptedMessage,
    facts: {
      readonly sessionId: string;
      /** The message's own octets may have moved on by now. */
      readonly sizeOctets: number;
      readonly dataMs: number;
      readonly commitMs: number;
    },
  ): void;
  /** Trouble of our own. */
  failed(context: string, error: unknown): void;
}

export interface SessionServices {
  readonly policy: SessionPolicy;
  readonly directory: Directory;
  /**
   * Resolves once the message is safe. The message's octets belong to whoever accepts it.
   * @throws {StoreUnavailableError}
   */
  readonly accept: (message: AcceptedMessage) => Promise<void>;
  readonly memory: MemoryBudget;
  readonly newQueueId: () => QueueId;
  readonly now: () => number;
  readonly observer: SessionObserver;
}
