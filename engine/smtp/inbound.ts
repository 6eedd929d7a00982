/**
 * What sessions ask about mail from strangers, stage by stage. Clients that may relay are not asked about. How
 * the answers come about is not known here.
 */
import type { Hold } from "../mail/envelope.ts";
import type { HeaderSection } from "../mail/header_section.ts";
import type { Path } from "../mail/path.ts";
import type { Reply } from "../mail/reply.ts";
import type { OctetRange } from "../mail/octet_range.ts";

export interface InboundServices {
  /** `null`: nobody judges this client. */
  open(client: {
    readonly address: string;
    readonly port: number;
    readonly sessionId: string;
  }): SessionJudge | null;
}

/** Why mail was not taken; the reply is for the client, the reason for metrics. */
export interface InboundRefusal {
  readonly reason: InboundRefusalReason;
  readonly reply: Reply;
}

export type InboundRefusalReason =
  | "rate"
  | "lists"
  | "policy"
  | "authentication"
  | "greylist"
  | "spam"
  | "filter";

/** Judges one session. Asked in the order of the dialogue; `null` where nothing speaks against the client. */
export interface SessionJudge {
  /** Before the greeting; its reply, 421 or 554, takes the greeting's place and ends the session. */
  greet(): Promise<InboundRefusal | null>;
  /** The client spoke before it was greeted. */
  spokeEarly(): void;
  /** With HELO or EHLO; what is wrong with it is told at RCPT. */
  hello(heloName: string): void;
  mail(reversePath: string): Promise<InboundRefusal | null>;
  rcpt(recipient: JudgedRecipient): Promise<InboundRefusal | null>;
  /** Once the message is read. @throws {StoreUnavailableError} */
  message(message: JudgedMessage): Promise<MessageJudgement>;
  /** How long the next answer is held back: a client that is hopeless wastes its own time. */
  replyDelayMs(): number;
  close(): void;
}

export interface JudgedRecipient {
  readonly path: Path;
  /** The one mailbox of ours it leads to, by whatever name; else the forward-path. */
  readonly mailbox: string;
  /** Forward-paths accepted before it. */
  readonly named: ReadonlySet<string>;
  /** We would refuse it anyway: there is no such mailbox, or it is not ours. */
  readonly isRefused: boolean;
}

export interface JudgedMessage {
  readonly octets: Uint8Array;
  readonly header: HeaderSection;
  readonly reversePath: string;
  /** Forward-paths as the client named them. */
  readonly named: ReadonlySet<string>;
}

export type MessageJudgement =
  | {
    readonly kind: "accepted";
    /** The client's name in the DNS, where it leads back to its address. */
    readonly clientName: string | null;
    /** Header fields to put on top, each with its line end. */
    readonly onTop: string;
    /** What is taken out of the message: fields that claim to be ours. */
    readonly removed: readonly OctetRange[];
    readonly hold: Hold | null;
  }
  | { readonly kind: "refused"; readonly refusal: InboundRefusal };
