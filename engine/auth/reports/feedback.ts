/**
 * What mail shows about other domains' DMARC, to be reported to them (RFC 9990 §3): which row of a report a
 * message belongs to, and the rows counted until they are stored. Bounded in domains and rows; beyond that
 * messages are not counted, and how many is told.
 */
import type { AggregateRecord, Disposition, OverrideReason } from "./report.ts";
import type { Authentication } from "../results.ts";

/** A row of a report without its count. */
export type FeedbackRow = Omit<AggregateRecord, "count">;

export interface ObservedMessage {
  readonly clientAddress: string;
  readonly reversePath: string;
  readonly authentication: Authentication;
  /** What was done because of DMARC; `none` also where it passed. */
  readonly disposition: Exclude<Disposition, "pass">;
  /** Why that is not what the policy asks for; `null` when it is, or nobody knows. */
  readonly override: OverrideReason | null;
  /** Judged so, by whatever. */
  readonly isSpam: boolean;
  readonly atMs: number;
}

export interface FeedbackBatch {
  /** `2031-05-05`, in UTC. */
  readonly day: string;
  /** The policy's. */
  readonly domain: string;
  /** The tags of its record. */
  readonly record: Readonly<Record<string, string>>;
  /** Its own mail was spam: it gets no report. */
  readonly isTainted: boolean;
  readonly rows: readonly { readonly row: FeedbackRow; readonly messages: number }[];
}

const MAX_DOMAINS = 2_000;
const MAX_ROWS = 10_000;
const MAX_ROWS_OF_DOMAIN = 1_000;
/** Signatures of a message that are told of. */
const MAX_SIGNATURES = 10;

interface Counted {
  readonly day: string;
  readonly domain: string;
  record: Readonly<Record<string, string>>;
  isTainted: boolean;
  readonly rows: Map<string, { readonly row: FeedbackRow; messages: number }>;
}

export class FeedbackCollector {
  #domains = new Map<string, Counted>();
  #rows = 0;
  #omitted = 0;

  /** Counts a message, if its domain asks for reports at all. */
  observe(message: ObservedMessage): void {
    const { dmarc } = message.authentication;
    const { policyDomain: domain, record } = dmarc;
    if (record === null || domain === "" || dmarc.reportTo.length === 0) return;
    if (dmarc.verdict !== "pass" && dmarc.verdict !== "fail") return;
    const day = new Date(message.atMs).toISOString().slice(0, 10);
    const name = `${day} ${domain}`;
    let counted = this.#domains.get(name);
    if (counted === undefined) {
      if (this.#domains.size >= MAX_DOMAINS) return this.#omit();
      counted = { day, domain, record, isTainted: false, rows: new Map() };
      this.#domains.set(name, counted);
    }
    counted.record = record;
    // Mail that fails is somebody else's: it says nothing about the domain.
    if (message.isSpam && dmarc.verdict === "pass") counted.isTainted = true;
    const row = feedbackRow(message);
    const key = JSON.stringify(row);
    const known = counted.rows.get(key);
    if (known !== undefined) known.messages++;
    else if (this.#rows >= MAX_ROWS || counted.rows.size >= MAX_ROWS_OF_DOMAIN) this.#omit();
    else {
      counted.rows.set(key, { row, messages: 1 });
      this.#rows++;
    }
  }

  /** What was counted since the last time, and how many messages were not. */
  take(): { readonly batches: readonly FeedbackBatch[]; readonly omitted: number } {
    const batches = [...this.#domains.values()].map((counted) => ({
      ...counted,
      rows: [...counted.rows.values()],
    }));
    const omitted = this.#omitted;
    this.#domains = new Map();
    this.#rows = 0;
    this.#omitted = 0;
    return { batches, omitted };
  }

  #omit(): void {
    this.#omitted++;
  }
}

/** RFC 9990 §3.1.1.9 to §3.1.1.14 */
export function feedbackRow(message: ObservedMessage): FeedbackRow {
  const { dmarc, dkim, mfrom } = message.authentication;
  return {
    sourceAddress: message.clientAddress,
    disposition: dispositionOf(message),
    isDkimAligned: dmarc.isDkimAligned,
    isSpfAligned: dmarc.isSpfAligned,
    reasons: reasonsOf(message),
    headerFrom: dmarc.fromDomain,
    envelopeFrom: message.reversePath === "" ? "" : mfrom.domain,
    envelopeTo: null,
    dkim: dkim.filter(({ domain, selector }) => domain !== "" && selector !== "")
      .toSorted((a, b) => priority(a.verdict) - priority(b.verdict))
      .slice(0, MAX_SIGNATURES)
      .map(({ domain, selector, verdict, reason }) => ({
        domain,
        selector,
        result: verdict,
        explanation: verdict === "pass" ? null : reason,
      })),
    spf: [{ domain: mfrom.domain, scope: "mfrom", result: mfrom.verdict, explanation: null }],
  };
}

/** RFC 9990 §3.1.3: signatures that pass come first. */
function priority(verdict: string): number {
  return verdict === "pass" ? 0 : 1;
}

/** `pass` tells that a policy which asks for something had no reason to. */
function dispositionOf({ authentication, disposition }: ObservedMessage): Disposition {
  const { verdict, policy } = authentication.dmarc;
  if (verdict !== "pass") return disposition;
  return policy === "none" ? "none" : "pass";
}

/** Where the policy was not applied as it stands, a reason must be given (RFC 9990 §3.1.1.10). */
function reasonsOf({ authentication, disposition, override }: ObservedMessage): OverrideReason[] {
  const { verdict, policy, isTesting } = authentication.dmarc;
  if (verdict === "pass") return [];
  if (override !== null) return [override];
  if (disposition === policy) return [];
  return [{ type: isTesting ? "policy_test_mode" : "local_policy", comment: null }];
}
