/** `dmarc reports` */
import { displayDomain } from "../mail/domain.ts";
import type { ReportedSource, ReportSummary } from "../store/dmarc_reports.ts";
import { noSuchDomain } from "./address.ts";
import { type Command, onlyWord, optionOf, UsageError } from "./command.ts";
import { domainOf } from "./domain.ts";
import { columns, time } from "./layout.ts";
import { limitOf } from "./queue.ts";

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const MAX_DAYS = 3_650;
const HEADINGS = ["source", "messages", "dkim", "spf", "failed", "quarantined", "rejected", "by"];

export const dmarcCommands: readonly Command[] = [
  {
    noun: "dmarc",
    verb: "reports",
    usage: "<domain> [--days <n>] [--limit <n>] [--unverified]",
    summary: "Show what others report about mail in a domain's name, by the address it came from.",
    example: "dmarc reports example.org --days 7",
    options: {
      days: { type: "string" },
      limit: { type: "string" },
      unverified: { type: "boolean" },
    },
    prepare: (input) => {
      const domain = domainOf(onlyWord(input, "the domain"));
      const days = daysOf(optionOf(input, "days"));
      const limit = limitOf(input.options.limit);
      const withUnverified = input.options.unverified === true;
      return async ({ directory, dmarcReports }) => {
        if (await directory.domain(domain) === null) return noSuchDomain(domain);
        const sinceMs = Date.now() - days * DAY_MS;
        const summary = await dmarcReports.summary(domain, { sinceMs, limit, withUnverified });
        return {
          kind: "done",
          text: summaryText(summary, { domain: displayDomain(domain), days }),
          json: { domain, ...summary },
        };
      };
    },
  },
];

/** @throws {UsageError} */
function daysOf(text: string | null): number {
  if (text === null) return DEFAULT_DAYS;
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new UsageError(`--days takes a number from 1 to ${MAX_DAYS}`);
  }
  return days;
}

function summaryText(
  summary: ReportSummary,
  { domain, days }: { readonly domain: string; readonly days: number },
): string {
  const { unverified } = summary;
  const blocks = [...aggregateBlocks(summary), ...failureBlocks(summary), ...tlsBlocks(summary)];
  const lines = blocks.length === 0
    ? [`no reports about ${domain} in the last ${counted(days, "day")}`]
    : [`${domain}, the last ${counted(days, "day")}`, ...blocks];
  if (unverified > 0) {
    lines.push(
      `left out: ${counted(unverified, "report")} of senders nobody can prove   (--unverified)`,
    );
  }
  return lines.join("\n\n");
}

function aggregateBlocks(summary: ReportSummary): string[] {
  const { reports, organizations, beginMs, endMs, messages, failedMessages, sources } = summary;
  if (reports === 0 || beginMs === null || endMs === null) return [];
  const passed = messages === 0 ? 100 : 100 * (messages - failedMessages) / messages;
  return [
    `DMARC: ${counted(messages, "message")}, ${passed.toFixed(1)} % passed; ` +
    `${counted(reports, "report")} by ${counted(organizations, "organisation")}, ` +
    `${time(beginMs)} to ${time(endMs)}`,
    columns([HEADINGS, ...sources.map(sourceRow)]),
  ];
}

function sourceRow(source: ReportedSource): string[] {
  const { sourceAddress, messages, dkimAligned, spfAligned, failed } = source;
  const counts = [messages, dkimAligned, spfAligned, failed, source.quarantined, source.rejected];
  return [sourceAddress, ...counts.map(String), source.reporters.join(", ")];
}

function failureBlocks({ failures }: ReportSummary): string[] {
  if (failures.length === 0) return [];
  const rows = failures.map(({ atMs, organization, details }) => [
    time(atMs),
    String(details.authFailure ?? details.feedbackType ?? ""),
    String(details.sourceAddress ?? ""),
    `<${details.originalMailFrom ?? ""}>`,
    `by ${organization}`,
  ]);
  return [`single messages that failed:\n${columns(rows)}`];
}

function tlsBlocks({ tls }: ReportSummary): string[] {
  if (tls.reports === 0) return [];
  const rows = tls.reasons.map(({ resultType, host, sessions }) => [
    `  ${resultType}`,
    host ?? "",
    counted(sessions, "session"),
  ]);
  const head = `TLS: ${counted(tls.sessions, "session")}, ${tls.failedSessions} failed; ` +
    counted(tls.reports, "report");
  return [rows.length === 0 ? head : `${head}\n${columns(rows)}`];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
