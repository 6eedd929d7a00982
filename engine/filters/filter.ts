/**
 * Programs outside Sluice that judge whole messages: what they are shown, and what they may say. A filter never
 * loses mail: what it would discard is held for people to look at. How the answers of several combine is decided
 * in `run_filters.ts`.
 */
import type { HeaderSection } from "../mail/header_section.ts";
import type { Reply } from "../mail/reply.ts";
import type { OctetRange } from "../mail/octet_range.ts";
import type { Signal } from "../spam/facts.ts";

/** A message and how it came. Filters read it and keep nothing of it. */
export interface FilterInput {
  /** As the client sent it: without trace fields of ours. */
  readonly octets: Uint8Array;
  readonly header: HeaderSection;
  readonly client: {
    readonly address: string;
    readonly port: number;
    /** Forward-confirmed; `null` for a client without such a name. */
    readonly reverseName: string | null;
  };
  readonly heloName: string;
  /** Mailbox without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
  /** Forward-paths as the client named them, at least one. */
  readonly recipients: readonly string[];
  /** What our log knows the message by. */
  readonly id: string;
  /** Who logged in; `null` for mail from strangers. */
  readonly user: string | null;
}

export interface OutsideFilter {
  /** For log and metrics: one of the few that are configured. */
  readonly name: string;
  /**
   * Never rejects, and resolves soon after `signal` is aborted; until then it counts among those at work.
   * Its answer is bounded, whatever the program on the other side says.
   */
  check(message: FilterInput, signal: AbortSignal): Promise<FilterOpinion>;
}

export type FilterOpinion =
  | FilterPass
  /** For good or for now, as the reply's severity says. */
  | { readonly kind: "refused"; readonly reply: Reply }
  | FilterFailure;

/** The message may go on, with what is said of it. */
export interface FilterPass {
  readonly kind: "passed";
  readonly signals: readonly Signal[];
  /** Why people shall look at it first; `null`: no need. */
  readonly quarantine: string | null;
  readonly changes: HeaderChanges;
}

/** The filter has no opinion, and why. */
export interface FilterFailure {
  readonly kind: "failed";
  readonly fault: FilterFault;
  /** One short line for the log. */
  readonly detail: string;
}

export type FilterFault =
  /** Nobody there to talk to. */
  | "unreachable"
  /** Not done within its time. */
  | "late"
  /** The conversation broke off, or the answer makes no sense. */
  | "nonsense"
  /** More messages wait for it than we let wait. */
  | "overloaded"
  /** It failed so often that it is left alone for a while. */
  | "resting"
  /** It does not look at messages of this size, now or later. */
  | "too_large";

export interface HeaderChanges {
  /** Fields to put on top, each with its line end. */
  readonly onTop: string;
  /** Whole fields of the message to take out, in ascending order, none within another. */
  readonly removed: readonly OctetRange[];
}

export const NO_CHANGES: HeaderChanges = { onTop: "", removed: [] };

/** The filter looked and found nothing to say. */
export const NOTHING_FOUND: FilterPass = {
  kind: "passed",
  signals: [],
  quarantine: null,
  changes: NO_CHANGES,
};

export function filterFailure(fault: FilterFault, detail: string): FilterFailure {
  return { kind: "failed", fault, detail };
}
