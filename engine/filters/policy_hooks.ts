/**
 * Policy as code: what an operator's own module may decide, and what it is told. The module's default export is
 * a `Policy`; each hook is optional and may be asynchronous. `config/policy.example.ts` shows one.
 *
 * A hook answers `undefined` for no opinion. One that throws, answers what is no verdict, or takes longer than its
 * time counts as having none, or puts the mail off with 451, as the configuration says; the log tells why. The
 * module runs in a thread of its own beside each session worker, with the rights of the server. A hook that keeps
 * the thread is broken off in the middle of what it does. One that does so behind an `await` cannot be: its thread
 * is given up, with what other hooks had under way there, which then have no opinion either, and another is
 * started, once. Whatever the module remembers is gone with the thread, and is not shared between workers.
 *
 * Facts are frozen plain data. Hooks are asked about mail from strangers, save for `onRoute`, which is asked about
 * all mail. What comes from a client is hostile: names, addresses and fields are whatever it liked to send.
 */
import type { Authentication } from "../auth/results.ts";

export interface Policy {
  /** A client connected and was not greeted yet. What it is refused with, ends its session. */
  onConnect?: Hook<ConnectFacts, Verdict>;
  /** MAIL */
  onMail?: Hook<SenderFacts, Verdict>;
  /** RCPT, for each recipient. What is refused is this recipient alone. */
  onRcpt?: Hook<RecipientFacts, Verdict>;
  /** The message is there and scored, and nothing is decided yet. */
  onMessage?: Hook<MessageFacts, Verdict>;
  /** Where a recipient's mail goes; asked once a recipient, while the client waits for its answer to RCPT. */
  onRoute?: Hook<RouteFacts, RouteVerdict>;
}

export type HookName = keyof Policy;

export type Hook<Facts, Answer> = (
  facts: Facts,
  context: HookContext,
) => Answer | undefined | void | Promise<Answer | undefined | void>;

export interface HookContext {
  /** Aborted once the hook's time is over: hand it on to `fetch`, say. */
  readonly signal: AbortSignal;
}

/** What a hook may decide. Texts are shown to people, one line of ASCII each. */
export type Verdict =
  /**
   * No further judgement: no score, no filter and no list counts any more. Of a client for its whole session, at
   * MAIL and RCPT for the transaction.
   */
  | { readonly kind: "accept" }
  /** `text` goes to the client. Codes of 4xx ask it to come again; 550 when left out. */
  | { readonly kind: "refuse"; readonly code?: RefusalCode; readonly text: string }
  /** The mail is taken and held until someone looks at it. */
  | { readonly kind: "quarantine"; readonly text: string }
  /** Counts against the mail where positive, at most 100 either way. */
  | { readonly kind: "score"; readonly points: number; readonly text: string }
  /** Shows among the mail's signals as `POLICY_` and the name, and counts nothing. */
  | { readonly kind: "tag"; readonly name: string; readonly text: string };

export type RefusalCode = 421 | 450 | 451 | 452 | 550 | 551 | 552 | 553 | 554;

/** Where to instead of the domain's own mail hosts, or the local mailbox. */
export interface RouteVerdict {
  readonly kind: "route";
  readonly nextHop: {
    /** A domain, whose mail hosts are looked up, or an IP address. */
    readonly host: string;
    /** With a port, SMARTHOST does not count; without one it does, and the port is the usual one. */
    readonly port?: number;
  };
}

export interface ConnectFacts {
  /** Unix ms. */
  readonly nowMs: number;
  /** What the log knows the session by. */
  readonly sessionId: string;
  readonly client: PolicyClient;
}

export interface PolicyClient {
  readonly address: string;
  /** Forward-confirmed (RFC 8601 §2.7.3); `null` without such a name. */
  readonly reverseName: string | null;
  /** DNS lists it is on. */
  readonly lists: readonly {
    readonly zone: string;
    /** What the zone answered, `127.0.0.2`, say. */
    readonly value: string;
  }[];
}

export interface SenderFacts extends ConnectFacts {
  readonly heloName: string;
  /** Mailbox without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
}

export interface RecipientFacts extends SenderFacts {
  /** Mailbox without angle brackets. */
  readonly forwardPath: string;
  /** Accepted before this one. */
  readonly recipients: readonly string[];
}

export interface MessageFacts extends SenderFacts {
  readonly recipients: readonly string[];
  readonly header: PolicyHeader;
  /** As a person reads it: decoded, HTML as text, bounded. */
  readonly text: string;
  /** Sites of the message's links, each once, bounded. */
  readonly linkHosts: readonly string[];
  readonly attachments: readonly {
    /** `application/pdf`, say. */
    readonly mediaType: string;
    readonly fileName: string | null;
    readonly sizeOctets: number;
  }[];
  readonly sizeOctets: number;
  /** SPF, DKIM, ARC and DMARC; `null` where it was not looked into. */
  readonly authentication: Authentication | null;
  /** What it scored so far. */
  readonly spam: {
    readonly points: number;
    readonly signals: readonly PolicySignal[];
  };
}

export interface PolicySignal {
  readonly name: string;
  readonly points: number;
  readonly text: string;
}

/** The header section, at most 500 fields of it. */
export interface PolicyHeader {
  /** From top to bottom. Values are unfolded and cut at 998 characters. */
  readonly fields: readonly PolicyField[];
  /** The first such field's value; `null` when there is none. Names in any case. */
  first(name: string): string | null;
  all(name: string): readonly string[];
}

export interface PolicyField {
  readonly name: string;
  readonly value: string;
}

export interface RouteFacts {
  readonly nowMs: number;
  /** Whom the mail is for, behind aliases. */
  readonly forwardPath: string;
  /** The domain the mail would go to. */
  readonly destination: string;
  /** A mailbox here. */
  readonly isLocal: boolean;
  /** The client logged in, or its network may send to anywhere. */
  readonly mayRelay: boolean;
}
