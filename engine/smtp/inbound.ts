/**
 * What sessions ask about mail from strangers, stage by stage. Clients that may relay are not asked about. How
 * the answers come about is not known here.
 */
import type { HeaderSection } from "../mail/header_section.ts";
import type { Path } from "../mail/path.ts";
import type { Reply } from "../mail/reply.ts";
import type { ExpandedRecipient } from "../routing/expand.ts";
import type { OctetRange } from "./roomy_message.ts";
import type { Transaction } from "./session.ts";

export interface InboundServices {
  /** `null`: nobody judges this client. */
  open(client: { readonly address: string; readonly sessionId: string }): SessionJudge | null;
}

/** Judges one session. Asked in the order of the dialogue; refusals are the reply to give. */
export interface SessionJudge {
  /** Before the greeting; a refusal of 421 or 554 in place of it ends the session. */
  greet(): Promise<Reply | null>;
  /** The client spoke before it was greeted. */
  spokeEarly(): void;
  /** With HELO or EHLO; the answer to it stays what it is, what is wrong is told at RCPT. */
  hello(heloName: string): void;
  mail(path: Path): Promise<Reply | null>;
  /** @param recipients where the path leads; of ours or not. */
  rcpt(path: Path, context: {
    readonly transaction: Transaction;
    readonly recipients: readonly ExpandedRecipient[];
  }): Promise<Reply | null>;
  /** Once the message is read. @throws {StoreUnavailableError} */
  message(message: JudgedMessage): Promise<MessageJudgement>;
  /** How long an answer to the client is held back: one that is hopeless wastes its own time. */
  readonly replyDelayMs: number;
  close(): void;
}

export interface JudgedMessage {
  readonly octets: Uint8Array;
  readonly header: HeaderSection;
  readonly transaction: Transaction;
}

/** Kept from delivery until someone decides, or the time is over. */
export interface Hold {
  /** The rule that held it, `spam` or `dmarc`, say. */
  readonly reason: string;
  /** One line for people. */
  readonly explanation: string;
  readonly untilMs: number;
}

export type MessageJudgement =
  | {
    readonly kind: "accepted";
    /** Header fields to put on top, each with its line end. */
    readonly onTop: string;
    /** What is taken out of the message: fields that claim to be ours. */
    readonly removed: readonly OctetRange[];
    readonly hold: Hold | null;
  }
  | { readonly kind: "refused"; readonly reply: Reply };
