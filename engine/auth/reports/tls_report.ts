/** Reads TLS reports (RFC 8460 §4.4): how other systems fared that had mail for us, by policy. */
import type { Reading, TlsFailure, TlsPolicy, TlsReport } from "./report.ts";
import { addressOf, domainOf, lineOf, optionalLine } from "./stranger_text.ts";

const MAX_POLICIES = 100;
const MAX_FAILURES = 1_000;
const MAX_SESSIONS = 2_000_000_000;

/** A report tells of a day and a handful of hosts. */
const MAX_CHARACTERS = 1024 * 1024;

export function parseTlsReport(text: string): Reading<TlsReport> {
  if (text.length > MAX_CHARACTERS) return { kind: "fault", fault: "it is too large" };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { kind: "fault", fault: "it is no JSON" };
  }
  const report = objectOf(json);
  const range = objectOf(report["date-range"]);
  const beginMs = dateOf(range["start-datetime"]);
  const endMs = dateOf(range["end-datetime"]);
  if (beginMs === null || endMs === null || endMs < beginMs) {
    return { kind: "fault", fault: "it has no time" };
  }
  const policies = listOf(report["policies"]);
  if (policies.length === 0) return { kind: "fault", fault: "it has no policies" };
  return {
    kind: "report",
    report: {
      kind: "tls",
      organization: lineOf(stringOf(report["organization-name"])),
      contact: optionalLine(stringOf(report["contact-info"])),
      reportId: lineOf(stringOf(report["report-id"])),
      beginMs,
      endMs,
      policies: policies.slice(0, MAX_POLICIES).map(policyOf),
    },
  };
}

function policyOf(json: unknown): TlsPolicy {
  const entry = objectOf(json);
  const policy = objectOf(entry["policy"]);
  const summary = objectOf(entry["summary"]);
  return {
    type: lineOf(stringOf(policy["policy-type"])).toLowerCase(),
    domain: domainOf(stringOf(policy["policy-domain"])),
    successfulSessions: countOf(summary["total-successful-session-count"]),
    // RFC 8460 §4.4 has it with -session-, examples and some senders without.
    failedSessions: countOf(
      summary["total-failure-session-count"] ?? summary["total-failure-count"],
    ),
    failures: listOf(entry["failure-details"]).slice(0, MAX_FAILURES).map(failureOf),
  };
}

function failureOf(json: unknown): TlsFailure {
  const failure = objectOf(json);
  return {
    resultType: lineOf(stringOf(failure["result-type"])).toLowerCase(),
    sendingAddress: addressOf(stringOf(failure["sending-mta-ip"])),
    receivingHost: optionalLine(stringOf(failure["receiving-mx-hostname"]).toLowerCase()),
    sessions: countOf(failure["failed-session-count"]),
    reason: optionalLine(
      stringOf(failure["failure-reason-code"] ?? failure["additional-information"]),
    ),
  };
}

function objectOf(json: unknown): Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? json as Record<string, unknown>
    : {};
}

function listOf(json: unknown): readonly unknown[] {
  return Array.isArray(json) ? json : [];
}

function stringOf(json: unknown): string {
  return typeof json === "string" ? json : "";
}

function countOf(json: unknown): number {
  return typeof json === "number" && Number.isInteger(json) && json >= 0 && json <= MAX_SESSIONS
    ? json
    : 0;
}

function dateOf(json: unknown): number | null {
  const ms = Date.parse(lineOf(stringOf(json)));
  return Number.isFinite(ms) && ms >= 0 ? ms : null;
}
