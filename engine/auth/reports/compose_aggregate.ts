/**
 * Writes DMARC aggregate reports (RFC 9990 §3.1 and its schema): elements in the order of the schema, text
 * that strangers brought escaped. Which messages it tells of is the caller's business.
 */
import type { AggregateRecord, AggregateReport, OverrideReason } from "./report.ts";

const NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0";
/** RFC 9990 §3.1.6; others there once were mean `other`. */
const REASONS = [
  ...["local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder"],
];

/** The report as XML. `omittedRecords` is not written: the schema has no place for it. */
export function composeAggregateReport(report: AggregateReport): string {
  const { policy } = report;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<feedback xmlns="${NAMESPACE}">`,
    line(1, "version", "1.0"),
    ...block(1, "report_metadata", [
      line(2, "org_name", report.organization),
      line(2, "email", report.email),
      line(2, "extra_contact_info", report.extraContact),
      line(2, "report_id", report.reportId),
      ...block(2, "date_range", [
        line(3, "begin", seconds(report.beginMs)),
        line(3, "end", seconds(report.endMs)),
      ]),
      ...report.errors.map((error) => line(2, "error", error)),
      line(2, "generator", report.generator),
    ]),
    ...block(1, "policy_published", [
      line(2, "domain", policy.domain),
      line(2, "discovery_method", policy.discoveryMethod),
      line(2, "p", policy.p),
      line(2, "sp", policy.sp),
      line(2, "np", policy.np),
      line(2, "fo", policy.fo),
      line(2, "adkim", policy.adkim),
      line(2, "aspf", policy.aspf),
      line(2, "testing", policy.testing),
    ]),
    ...report.records.flatMap(record),
    "</feedback>",
    "",
  ].filter((each) => each !== null).join("\r\n");
}

type Line = string | null;

function record(record: AggregateRecord): Line[] {
  return block(1, "record", [
    ...block(2, "row", [
      line(3, "source_ip", record.sourceAddress),
      line(3, "count", String(record.count)),
      ...block(3, "policy_evaluated", [
        line(4, "disposition", record.disposition),
        line(4, "dkim", record.isDkimAligned ? "pass" : "fail"),
        line(4, "spf", record.isSpfAligned ? "pass" : "fail"),
        ...record.reasons.flatMap(reason),
      ]),
    ]),
    ...block(2, "identifiers", [
      line(3, "header_from", record.headerFrom),
      line(3, "envelope_from", record.envelopeFrom),
      line(3, "envelope_to", record.envelopeTo),
    ]),
    ...block(2, "auth_results", [
      ...record.dkim.flatMap((dkim) =>
        block(3, "dkim", [
          line(4, "domain", dkim.domain),
          line(4, "selector", dkim.selector),
          line(4, "result", dkim.result),
          line(4, "human_result", dkim.explanation),
        ])
      ),
      ...record.spf.flatMap((spf) =>
        block(3, "spf", [
          line(4, "domain", spf.domain),
          line(4, "scope", spf.scope),
          line(4, "result", spf.result),
          line(4, "human_result", spf.explanation),
        ])
      ),
    ]),
  ]);
}

function reason({ type, comment }: OverrideReason): Line[] {
  return block(4, "reason", [
    line(5, "type", REASONS.includes(type) ? type : "other"),
    line(5, "comment", comment),
  ]);
}

function block(depth: number, name: string, lines: readonly Line[]): Line[] {
  const indent = "  ".repeat(depth);
  return [`${indent}<${name}>`, ...lines, `${indent}</${name}>`];
}

/** Nothing for what is not known. */
function line(depth: number, name: string, text: string | null): Line {
  return text === null ? null : `${"  ".repeat(depth)}<${name}>${escaped(text)}</${name}>`;
}

/** What XML 1.0 cannot hold at all is left out. */
function escaped(text: string): string {
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function seconds(ms: number): string {
  return String(Math.floor(ms / 1000));
}
