/** What mail is scored by, gathered at each stage of the session. */
import type { Authentication } from "../auth/results.ts";
import type { HeaderSection } from "../mail/header_section.ts";
import type { MessageContent } from "./message_content.ts";

/** The client of a session, as the connection stage knows it. */
export interface ClientFacts {
  readonly address: string;
  /** Forward-confirmed reverse DNS (RFC 8601 §2.7.3); `name` only with `pass`, in lower case. */
  readonly reverse: {
    readonly verdict: "pass" | "fail" | "none" | "temperror";
    readonly name: string | null;
  };
  readonly heloName: string;
  /** What is wrong with the HELO name; empty for a good one. */
  readonly heloFaults: readonly HeloFault[];
  /** DNS lists the client's address is on, good ones with negative weights. */
  readonly lists: readonly ListHit[];
}

export type HeloFault =
  | "not_a_name"
  | "no_dot"
  | "bare_address"
  | "wrong_literal"
  | "our_name"
  | "no_address";

export interface ListHit {
  readonly zone: string;
  /** What the zone answered, `127.0.0.2`, say. */
  readonly value: string;
  readonly weight: number;
  /** What was looked up: an address or a domain. */
  readonly subject: string;
}

/** How mail of a sender was judged before; counts fade with time. */
export interface Reputation {
  /** What it is of: an authenticated domain, or a network. */
  readonly subject: string;
  readonly ham: number;
  readonly spam: number;
}

export interface MailFacts {
  readonly nowMs: number;
  readonly client: ClientFacts;
  readonly reversePath: string;
  /** Forward-paths as the client named them. */
  readonly recipients: readonly string[];
  /** `null` where it was not looked into. */
  readonly authentication: Authentication | null;
  readonly header: HeaderSection;
  readonly content: MessageContent;
  readonly sizeOctets: number;
  /** Lists that know domains of the message's links. */
  readonly linkLists: readonly ListHit[];
  readonly reputations: readonly Reputation[];
}

/** One reason for or against a message. */
export interface Signal {
  /** In capitals, `SPF_FAIL`, say. */
  readonly name: string;
  /** Against it where positive. */
  readonly points: number;
  /** One sentence for people. */
  readonly text: string;
}

/** All of it; points add up. */
export interface SpamScore {
  readonly points: number;
  /** The weightiest first. */
  readonly signals: readonly Signal[];
}
