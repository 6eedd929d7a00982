/**
 * The reports others send about domains of ours. Keeps what is about one of our domains, each report once,
 * and bounded by how many come a day; what strangers claim without proof is kept apart from what is proved.
 */
import type { ParsedReport } from "../auth/reports/report.ts";

export interface ReportOrigin {
  /** The domain of From, in A-labels and lower case. */
  readonly senderDomain: string;
  /** Whether the message passed DMARC as that domain. */
  readonly isVerified: boolean;
  readonly receivedAtMs: number;
}

export interface ReportQuery {
  /** Reports whose time ends before then are left out. */
  readonly sinceMs: number;
  /** Sources, failures and reasons, each at most so many. */
  readonly limit: number;
  /** Those too whose sender is not proved. */
  readonly withUnverified: boolean;
}

export interface ReportedSource {
  readonly sourceAddress: string;
  readonly messages: number;
  readonly dkimAligned: number;
  readonly spfAligned: number;
  /** Neither. */
  readonly failed: number;
  readonly quarantined: number;
  readonly rejected: number;
  /** Who reported it, a handful at most. */
  readonly reporters: readonly string[];
}

export interface ReportedFailure {
  readonly atMs: number;
  readonly organization: string;
  /** All that the report says, see `FailureReport`. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ReportSummary {
  readonly reports: number;
  readonly organizations: number;
  /** `null` when there are none. */
  readonly beginMs: number | null;
  readonly endMs: number | null;
  readonly messages: number;
  readonly failedMessages: number;
  /** Reports left out since nobody knows who sent them. */
  readonly unverified: number;
  /** Those with most failures first. */
  readonly sources: readonly ReportedSource[];
  /** The newest first. */
  readonly failures: readonly ReportedFailure[];
  readonly tls: {
    readonly reports: number;
    readonly sessions: number;
    readonly failedSessions: number;
    readonly reasons: readonly {
      readonly resultType: string;
      readonly host: string | null;
      readonly sessions: number;
    }[];
  };
}

export interface DmarcReports {
  /** Answers how many were kept: about a domain of ours or one below it, and not here before. */
  keep(reports: readonly ParsedReport[], origin: ReportOrigin): Promise<number>;
  /** About a domain of ours and those below it. */
  summary(owner: string, query: ReportQuery): Promise<ReportSummary>;
  /** Forgets what came before then, a bounded number a call; answers how many. */
  forget(beforeMs: number): Promise<number>;
}
