/** The reports others send, on Postgres. */
import { createHash } from "node:crypto";
import type postgres from "postgres";
import type { AggregateReport, ParsedReport, TlsReport } from "../auth/reports/report.ts";
import type { DmarcReports, ReportOrigin, ReportQuery, ReportSummary } from "./dmarc_reports.ts";
import * as statements from "./postgres_dmarc_report_statements.ts";
import { guarded } from "./postgres_guarded.ts";

/** Reports about a domain of ours that are kept in a day. */
const MAX_VERIFIED_A_DAY = 2_000;
const MAX_UNVERIFIED_A_DAY = 100;
const DAY_MS = 86_400_000;
const FORGOTTEN_AT_ONCE = 200;
const PREPARED = { prepare: true };

/** Does not own `sql`. */
export function postgresDmarcReports(sql: postgres.Sql): DmarcReports {
  return {
    keep: (reports, origin) =>
      guarded(async () => {
        let kept = 0;
        for (const row of reports.flatMap(rowsOf)) kept += await keep(sql, row, origin);
        return kept;
      }),
    summary: (owner, query) => guarded(() => summary(sql, owner, query)),
    forget: (beforeMs) =>
      guarded(async () =>
        (await sql.unsafe(statements.FORGET, [beforeMs, FORGOTTEN_AT_ONCE], PREPARED)).length
      ),
  };
}

interface ReportRow {
  readonly domain: string;
  readonly kind: ParsedReport["kind"];
  readonly organization: string;
  readonly reportId: string;
  /** `null`: when it came. */
  readonly beginMs: number | null;
  readonly endMs: number | null;
  readonly total: number;
  readonly failed: number;
  readonly details: Readonly<Record<string, unknown>>;
  readonly records: AggregateReport["records"];
}

function rowsOf(report: ParsedReport): ReportRow[] {
  switch (report.kind) {
    case "aggregate": {
      const { records, policy, kind, organization, reportId, beginMs, endMs, ...rest } = report;
      const failed = records.filter((each) => !each.isDkimAligned && !each.isSpfAligned);
      return [{
        domain: policy.domain,
        kind,
        organization,
        reportId: reportId || fingerprint(report),
        beginMs,
        endMs,
        total: sum(records.map(({ count }) => count)),
        failed: sum(failed.map(({ count }) => count)),
        details: { ...rest, policy },
        records,
      }];
    }
    case "failure": {
      const { kind, domain, organization, ...details } = report;
      return [{
        domain,
        kind,
        organization,
        reportId: fingerprint(report),
        beginMs: report.arrivedAtMs,
        endMs: report.arrivedAtMs,
        total: report.incidents,
        failed: report.incidents,
        details,
        records: [],
      }];
    }
    case "tls":
      return tlsRows(report);
  }
}

/** One for each domain, should there be several. */
function tlsRows(report: TlsReport): ReportRow[] {
  const { kind, organization, beginMs, endMs, contact } = report;
  return [...Map.groupBy(report.policies, ({ domain }) => domain)].map(([domain, policies]) => {
    const failed = sum(policies.map(({ failedSessions }) => failedSessions));
    return {
      domain,
      kind,
      organization,
      reportId: report.reportId || fingerprint(report),
      beginMs,
      endMs,
      total: failed + sum(policies.map(({ successfulSessions }) => successfulSessions)),
      failed,
      details: { contact, policies },
      records: [],
    };
  });
}

function fingerprint(report: ParsedReport): string {
  return createHash("sha256").update(JSON.stringify(report)).digest("hex").slice(0, 32);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** The domain and those above it, the longest first. */
function owners(domain: string): string[] {
  const labels = domain.split(".");
  return labels.map((_, from) => labels.slice(from).join("."));
}

async function keep(sql: postgres.Sql, row: ReportRow, origin: ReportOrigin): Promise<number> {
  if (row.domain === "") return 0;
  const { senderDomain, isVerified, receivedAtMs } = origin;
  const [kept] = await sql.unsafe<{ count: number }[]>(statements.KEEP, [
    JSON.stringify(owners(row.domain)),
    JSON.stringify({
      domain: row.domain,
      kind: row.kind,
      sender: senderDomain,
      verified: isVerified,
      org: row.organization,
      rid: row.reportId,
      b: row.beginMs ?? receivedAtMs,
      e: row.endMs ?? receivedAtMs,
      at: receivedAtMs,
      total: row.total,
      failed: row.failed,
      details: row.details,
    }),
    JSON.stringify(row.records.map((record, n) => {
      const { sourceAddress, count, disposition, isDkimAligned, isSpfAligned, headerFrom } = record;
      const { reasons, envelopeFrom, envelopeTo, dkim, spf } = record;
      return {
        n,
        ip: sourceAddress,
        c: count,
        di: disposition,
        dk: isDkimAligned,
        sp: isSpfAligned,
        hf: headerFrom,
        dt: { reasons, envelopeFrom, envelopeTo, dkim, spf },
      };
    })),
    receivedAtMs - DAY_MS,
    isVerified ? MAX_VERIFIED_A_DAY : MAX_UNVERIFIED_A_DAY,
  ], PREPARED);
  return kept.count;
}

interface TotalsRow {
  readonly kind: ParsedReport["kind"];
  readonly is_verified: boolean;
  readonly reports: number;
  readonly organizations: number;
  readonly begin_ms: number;
  readonly end_ms: number;
  readonly total: number;
  readonly failed: number;
}

async function summary(
  sql: postgres.Sql,
  owner: string,
  { sinceMs, limit, withUnverified }: ReportQuery,
): Promise<ReportSummary> {
  const asked = [owner, sinceMs, withUnverified];
  const totals = await sql.unsafe<TotalsRow[]>(statements.TOTALS, [owner, sinceMs], PREPARED);
  const sources = await sql.unsafe<ReportSummary["sources"][number][]>(
    statements.SOURCES,
    [...asked, limit],
    PREPARED,
  );
  const failures = await sql.unsafe<ReportSummary["failures"][number][]>(
    statements.FAILURES,
    [...asked, limit],
    PREPARED,
  );
  const reasons = await sql.unsafe<ReportSummary["tls"]["reasons"][number][]>(
    statements.TLS_REASONS,
    [...asked, limit],
    PREPARED,
  );
  const counted = totals.filter((each) => withUnverified || each.is_verified);
  const ofKind = (kind: ParsedReport["kind"]) => counted.filter((each) => each.kind === kind);
  const aggregate = ofKind("aggregate");
  const tls = ofKind("tls");
  const add = (rows: readonly TotalsRow[], name: "reports" | "total" | "failed") =>
    sum(rows.map((row) => row[name]));
  return {
    reports: add(aggregate, "reports"),
    organizations: sum(aggregate.map((row) => row.organizations)),
    beginMs: aggregate.length === 0 ? null : Math.min(...aggregate.map((row) => row.begin_ms)),
    endMs: aggregate.length === 0 ? null : Math.max(...aggregate.map((row) => row.end_ms)),
    messages: add(aggregate, "total"),
    failedMessages: add(aggregate, "failed"),
    unverified: withUnverified ? 0 : add(totals.filter((each) => !each.is_verified), "reports"),
    sources: [...sources],
    failures: [...failures],
    tls: {
      reports: add(tls, "reports"),
      sessions: add(tls, "total"),
      failedSessions: add(tls, "failed"),
      reasons: [...reasons],
    },
  };
}
