/** What judging strangers asks of the rest of the engine; put together by the worker. No answer rejects. */
import type { AuthPolicy } from "../auth/auth_policy.ts";
import type { Authentication } from "../auth/results.ts";
import type { SpfResults } from "../auth/spf.ts";
import type { FilterInput } from "../filters/filter.ts";
import type { FilterJudgement } from "../filters/run_filters.ts";
import type { ConnectionPolicy } from "../limits/connection_policy.ts";
import type { GreylistFacts } from "../limits/greylist.ts";
import type { RatedRecipient } from "../limits/rate_limits.ts";
import type { TarpitPlaces, TarpitPolicy } from "../limits/tarpit.ts";
import type { HeaderSection } from "../mail/header_section.ts";
import type { Reply } from "../mail/reply.ts";
import type {
  ClientFacts,
  HeloFault,
  ListHit,
  MailFacts,
  Reputation,
  SpamScore,
} from "../spam/facts.ts";
import type { SpamThresholds } from "../spam/verdict.ts";
import type { Hooks } from "./hooks.ts";
import type { InboundObserver } from "./observer.ts";

export interface InboundPolicy {
  /** Ours, in results and Received. */
  readonly hostname: string;
  readonly connection: ConnectionPolicy;
  readonly tarpit: TarpitPolicy;
  readonly authentication: AuthPolicy;
  /** What DMARC puts in quarantine is tagged, or held. */
  readonly dmarcQuarantine: "junk" | "hold";
  /** `null`: nothing is scored. */
  readonly spam: SpamThresholds | null;
  readonly greylist: "off" | "suspicious" | "all";
  /** How long held mail waits for a decision. */
  readonly holdMs: number;
}

/** A rule that refuses, and what it tells the client. */
export interface RuleRefusal {
  readonly rule: string;
  readonly reply: Reply;
}

/** Questions about a client, each answered within a time of its own. */
export interface ClientQuestions {
  lists(address: string): Promise<readonly ListHit[]>;
  reverseName(address: string): Promise<ClientFacts["reverse"]>;
  heloFaults(heloName: string, address: string): Promise<readonly HeloFault[]>;
  /** What a list says for itself, `null` where it says nothing. */
  explainListing(hit: ListHit): Promise<string | null>;
}

/** How much strangers may do; counts what it grants. */
export interface RateGate {
  connection(address: string): Promise<RuleRefusal | null>;
  /** @param sender `isProven` is asked for only where limits go by the sender. */
  recipient(
    recipient: Omit<RatedRecipient, "isSenderProven">,
    sender: { readonly isProven: () => Promise<boolean> },
  ): Promise<RuleRefusal | null>;
}

export interface JudgeServices {
  readonly policy: InboundPolicy;
  readonly questions: ClientQuestions;
  readonly tarpitPlaces: TarpitPlaces;
  readonly rates: RateGate;
  spf(question: {
    readonly clientAddress: string;
    readonly heloName: string;
    readonly reversePath: string;
    /** Its transaction is over: nobody waits for the answer. */
    readonly signal: AbortSignal;
  }): Promise<SpfResults>;
  authenticate(octets: Uint8Array, context: {
    readonly header: HeaderSection;
    readonly spf: SpfResults;
  }): Promise<Authentication>;
  linkLists(hosts: readonly string[]): Promise<readonly ListHit[]>;
  filter(input: FilterInput): Promise<FilterJudgement>;
  reputationsOf(subjects: readonly string[]): Promise<readonly Reputation[]>;
  /** Keeps what the message reports, if it is for those who get reports. Reads the octets before it returns. */
  takeReports(octets: Uint8Array, message: {
    readonly recipients: readonly string[];
    readonly authentication: Authentication;
    readonly nowMs: number;
  }): void;
  recordReputation(subjects: readonly string[], label: "ham" | "spam"): void;
  score(facts: MailFacts): SpamScore;
  greylist(message: GreylistFacts): Promise<RuleRefusal | null>;
  readonly hooks: Hooks;
  readonly observer: InboundObserver;
  readonly now: () => number;
}
