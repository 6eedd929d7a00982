/**
 * What other systems report about mail in a domain's name: DMARC aggregate reports (RFC 9990), failure
 * reports (RFC 6591, RFC 9991) and TLS reports (RFC 8460). Plain data; every text in it is one line, bounded,
 * and nothing but what a stranger says.
 */

export interface AggregateReport {
  readonly kind: "aggregate";
  readonly organization: string;
  readonly email: string;
  readonly extraContact: string | null;
  readonly reportId: string;
  readonly beginMs: number;
  readonly endMs: number;
  /** What was wrong with the policy record. */
  readonly errors: readonly string[];
  readonly generator: string | null;
  readonly policy: PublishedPolicy;
  readonly records: readonly AggregateRecord[];
  /** Records that could not be read or were too many, and are not in `records`. */
  readonly omittedRecords: number;
}

/** `null` where the report does not say. */
export interface PublishedPolicy {
  /** In A-labels and lower case. */
  readonly domain: string;
  readonly p: string;
  readonly sp: string | null;
  readonly np: string | null;
  readonly adkim: string | null;
  readonly aspf: string | null;
  readonly fo: string | null;
  readonly testing: string | null;
  readonly discoveryMethod: string | null;
}

export type Disposition = "none" | "pass" | "quarantine" | "reject";

/** Messages of one source that had one fate. */
export interface AggregateRecord {
  /** As `formatIp` writes it. */
  readonly sourceAddress: string;
  readonly count: number;
  readonly disposition: Disposition;
  readonly isDkimAligned: boolean;
  readonly isSpfAligned: boolean;
  readonly reasons: readonly OverrideReason[];
  readonly headerFrom: string;
  readonly envelopeFrom: string | null;
  readonly envelopeTo: string | null;
  readonly dkim: readonly DkimOutcome[];
  readonly spf: readonly SpfOutcome[];
}

export interface OverrideReason {
  readonly type: string;
  readonly comment: string | null;
}

export interface DkimOutcome {
  readonly domain: string;
  readonly selector: string | null;
  readonly result: string;
  readonly explanation: string | null;
}

export interface SpfOutcome {
  readonly domain: string;
  readonly scope: string | null;
  readonly result: string;
  readonly explanation: string | null;
}

/** One message that failed, or that somebody complained about. */
export interface FailureReport {
  readonly kind: "failure";
  /** `auth-failure`, `abuse`, say; in lower case. */
  readonly feedbackType: string;
  /** `dmarc`, `bodyhash`, say; `null` when it is no authentication failure. */
  readonly authFailure: string | null;
  /** In A-labels and lower case; empty when it names none. */
  readonly domain: string;
  readonly organization: string;
  /** `null` when it is not told, or no address. */
  readonly sourceAddress: string | null;
  readonly arrivedAtMs: number | null;
  readonly incidents: number;
  readonly originalMailFrom: string | null;
  readonly deliveryResult: string | null;
  readonly identityAlignment: string | null;
  readonly authenticationResults: string | null;
  /** Of the message reported. */
  readonly messageId: string | null;
  readonly headerFrom: string | null;
}

export interface TlsReport {
  readonly kind: "tls";
  readonly organization: string;
  readonly contact: string | null;
  readonly reportId: string;
  readonly beginMs: number;
  readonly endMs: number;
  readonly policies: readonly TlsPolicy[];
}

export interface TlsPolicy {
  /** `sts`, `tlsa` or `no-policy-found`, as a rule. */
  readonly type: string;
  /** In A-labels and lower case; empty when it names none. */
  readonly domain: string;
  readonly successfulSessions: number;
  readonly failedSessions: number;
  readonly failures: readonly TlsFailure[];
}

export interface TlsFailure {
  readonly resultType: string;
  readonly sendingAddress: string | null;
  readonly receivingHost: string | null;
  readonly sessions: number;
  readonly reason: string | null;
}

export type ParsedReport = AggregateReport | FailureReport | TlsReport;

/** A report, or why what came is none: a word or two for the log. */
export type Reading<Report extends ParsedReport = ParsedReport> =
  | { readonly kind: "report"; readonly report: Report }
  | { readonly kind: "fault"; readonly fault: string };
