/**
 * From how a transmission ended to what is recorded of its deliveries: when the deferred ones come
 * again, which are given up, and the report the sender gets of those that failed (RFC 3464).
 */
import { reportFor } from "../dsn/compose.ts";
import type { QueueId } from "../mail/queue_id.ts";
import type { RoutedRecipient } from "../mail/envelope.ts";
import type { AcceptedMessage, AttemptRecord, LeasedDelivery, Settlement } from "../store/spool.ts";
import type { Peer } from "./next_hop.ts";
import type { AttemptOutcome } from "./outcome.ts";
import { nextAttemptAtMs, type RetrySchedule } from "./retry_schedule.ts";

export interface FinishedAttempt {
  readonly delivery: LeasedDelivery;
  readonly outcome: AttemptOutcome;
  readonly peer: Peer | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** The settlement of an attempt; a deferral that outlived its schedule becomes a failure. */
export function settlementOf(
  attempt: FinishedAttempt,
  options: { readonly schedule: RetrySchedule; readonly random: () => number },
): Settlement {
  const { delivery, outcome, endedAtMs } = attempt;
  const record = recordOf(attempt, outcome);
  if (outcome.kind !== "deferred") {
    return { id: delivery.id, outcome: outcome.kind, attempt: record };
  }
  const age = {
    queuedAtMs: delivery.queuedAtMs,
    attempts: delivery.attempts + 1,
    nowMs: endedAtMs,
  };
  const nextMs = nextAttemptAtMs(age, options);
  if (nextMs !== null) {
    return { id: delivery.id, outcome: "deferred", attempt: record, nextAttemptAtMs: nextMs };
  }
  return {
    id: delivery.id,
    outcome: "failed",
    attempt: recordOf(attempt, {
      kind: "failed",
      // RFC 3463 §3.5: delivery time expired.
      enhancedStatus: "5.4.7",
      diagnostic: `given up after ${days(endedAtMs - delivery.queuedAtMs)}: ${outcome.diagnostic}`
        .slice(0, 512).toWellFormed(),
    }),
  };
}

export interface ReportContext {
  readonly hostname: string;
  readonly id: QueueId;
  readonly nowMs: number;
  readonly boundary: string;
  /** Where the sender is reached; nowhere, and there is no report. */
  readonly recipients: readonly RoutedRecipient[];
}

/** The report to the sender about these failures of one message; null where none is due. */
export function reportOf(
  failures: readonly { readonly delivery: LeasedDelivery; readonly settlement: Settlement }[],
  octets: Uint8Array,
  context: ReportContext,
): AcceptedMessage | null {
  const [first] = failures;
  if (first === undefined || context.recipients.length === 0) return null;
  const report = reportFor({
    queueId: first.delivery.message,
    reversePath: first.delivery.reversePath,
    arrivedAtMs: first.delivery.queuedAtMs,
    octets,
    recipients: failures.flatMap(({ delivery, settlement }) =>
      settlement.outcome === "failed"
        ? [{
          finalRecipient: delivery.forwardPath,
          originalRecipient: null,
          attempt: settlement.attempt,
        }]
        : []
    ),
  }, {
    reportingHost: context.hostname,
    reportId: context.id,
    nowMs: context.nowMs,
    boundary: context.boundary,
  });
  if (report === null) return null;
  return {
    id: context.id,
    acceptedAtMs: context.nowMs,
    reversePath: "",
    bodyType: report.bodyType,
    smtpUtf8: report.smtpUtf8,
    clientAddress: "",
    heloName: "",
    protocol: "internal",
    octets: report.octets,
    recipients: context.recipients,
  };
}

function recordOf(attempt: FinishedAttempt, outcome: AttemptOutcome): AttemptRecord {
  return {
    startedAtMs: attempt.startedAtMs,
    endedAtMs: attempt.endedAtMs,
    mxHost: attempt.peer?.mxHost ?? null,
    remoteAddress: attempt.peer?.address ?? null,
    tls: attempt.peer?.tls ?? false,
    diagnostic: outcome.diagnostic,
    enhancedStatus: outcome.enhancedStatus,
  };
}

function days(ms: number): string {
  const hours = Math.round(ms / 3_600_000);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}
