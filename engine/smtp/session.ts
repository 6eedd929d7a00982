/**
 * What the stages of the dialogue share: the transaction they fill, and what they need from outside.
 * One file a stage: `auth.ts`, `mail.ts`, `rcpt.ts`, `data.ts`, put together in `session_connection.ts`.
 */
import type { GrantedLogin, LoginResult } from "../login/authenticator.ts";
import type { Credentials, SaslMethod } from "../login/sasl.ts";
import type { BodyType } from "../mail/envelope.ts";
import type { HeaderSection } from "../mail/header_section.ts";
import type { QueueId } from "../mail/queue_id.ts";
import type { ExpandedRecipient, Expansion } from "../routing/expand.ts";
import type { SendingAnswer } from "../limits/sending_limit.ts";
import type { NetworkList } from "../routing/networks.ts";
import type { Mailbox } from "../mail/path.ts";
import type { Account } from "../store/directory.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import type { InboundRefusalReason, InboundServices } from "./inbound.ts";
import type { MemoryBudget } from "./memory_budget.ts";
import type { OwnsSender } from "./submission.ts";

/** What a listener is for: mail from anyone, or from our own users. */
export type ListenerName = "smtp" | "submission" | "smtps";

/** One MAIL … DATA (RFC 5321 §3.3). */
export interface Transaction {
  readonly reversePath: string;
  readonly bodyType: BodyType;
  readonly smtpUtf8: boolean;
  /** From SIZE (RFC 1870), or 0. */
  readonly announcedOctets: number;
  /** Forward-paths the client named and we accepted. */
  readonly named: Set<string>;
  /** Where they lead, by forward-path, so that who is reached twice gets one copy. */
  readonly recipients: Map<string, ExpandedRecipient>;
}

/** The client as the session sees it. */
export interface Client {
  readonly address: string;
  readonly port: number;
  readonly listener: ListenerName;
  /** Who logged in. */
  readonly account: Account | null;
  /** May send to anywhere: logged in, or of a network that may. */
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
  /** SASL mechanisms for our users; none turns AUTH off. */
  readonly authMethods: readonly SaslMethod[];
  readonly allowsAuthWithoutTls: boolean;
  readonly answersVrfy: boolean;
}

/** Why a transaction or a command of one was refused. */
export type RefusalReason =
  | "size"
  | "hops"
  | "recipients"
  | "relay"
  | "sender"
  | "syntax"
  | "memory"
  | "store"
  | InboundRefusalReason;

/** What sessions tell, for metrics and log. */
export interface SessionObserver {
  opened(listener: ListenerName): void;
  closed(session: {
    readonly listener: ListenerName;
    readonly protocol: "none" | "smtp" | "esmtp";
    readonly tls: "none" | "starttls" | "implicit";
  }): void;
  login(
    result: LoginResult,
    facts: {
      readonly sessionId: string;
      readonly clientAddress: string;
      readonly method: SaslMethod;
      readonly name: string;
    },
  ): void;
  refused(reason: RefusalReason): void;
  accepted(
    message: AcceptedMessage,
    facts: {
      readonly sessionId: string;
      /** Who logged in to send it. */
      readonly user: string | null;
      /** The message's own octets may have moved on by now. */
      readonly sizeOctets: number;
      readonly dataMs: number;
      readonly commitMs: number;
    },
  ): void;
  /** Trouble of our own. */
  failed(context: string, error: unknown): void;
}

/** Who may log in, and as whom and how much each may send. */
export interface LoginServices {
  authenticate(credentials: Credentials, client: { address: string }): Promise<LoginResult>;
  /**
   * A login as it stands now; `null` once its user is gone or disabled, or has that password no more.
   * @throws {StoreUnavailableError}
   */
  renew(login: GrantedLogin): Promise<GrantedLogin | null>;
  /** How long the answer to a session's `failures`-th failed login is held back. */
  failureDelayMs(failures: number): number;
  readonly owns: OwnsSender;
  /** Counts recipients against a user's limits. @throws {StoreUnavailableError} */
  claim(account: Account, recipients: number): Promise<SendingAnswer>;
  /** Counts them no longer: their message was refused. @throws {StoreUnavailableError} */
  giveBack(account: Account, recipients: number): Promise<void>;
}

/** Where forward-paths lead. */
export interface RecipientServices {
  /** @throws {StoreUnavailableError} */
  expand(mailbox: Mailbox, options: { mayRelay: boolean }): Promise<Expansion>;
  /** What a recipient's full mailbox does with more mail; `null` while there is room. */
  fullMailbox(recipient: ExpandedRecipient, sizeOctets: number): Promise<"defer" | "refuse" | null>;
}

/** What is done to messages that leave in our name. Both answer header fields, or nothing to put on top. */
export interface OutgoingServices {
  /** Signs as the domain of From, if that is ours (RFC 6376). */
  sign(octets: Uint8Array, header: HeaderSection): Promise<string>;
  /** Seals a message our domain forwards (RFC 8617). */
  seal(octets: Uint8Array, facts: {
    readonly domain: string;
    readonly clientAddress: string;
    readonly heloName: string;
    readonly reversePath: string;
  }): Promise<string>;
  /** The reverse-path under which our domain forwards. */
  forwardingPath(reversePath: string, domain: string): Promise<string>;
}

export interface SessionServices {
  readonly policy: SessionPolicy;
  readonly login: LoginServices;
  readonly recipients: RecipientServices;
  readonly outgoing: OutgoingServices;
  readonly inbound: InboundServices;
  /**
   * Resolves once the messages are safe, all of them or none. Their octets belong to whoever accepts them.
   * @throws {StoreUnavailableError}
   */
  readonly accept: (messages: readonly AcceptedMessage[]) => Promise<void>;
  readonly memory: MemoryBudget;
  readonly newQueueId: () => QueueId;
  readonly now: () => number;
  /** A nonce no one can guess, for challenges and message ids. */
  readonly newNonce: () => string;
  readonly observer: SessionObserver;
}
