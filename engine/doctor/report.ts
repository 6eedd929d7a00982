/** The doctor's report: for people, with the records ready for a zone file, and for programs. */
import { displayDomain } from "../mail/domain.ts";
import { type Check, type CheckGroup, type Level, levelOf } from "./finding.ts";
import type { ExpectedRecord } from "./records.ts";

export interface Report {
  /** In A-labels. */
  readonly domain: string;
  readonly records: readonly ExpectedRecord[];
  readonly checks: readonly Check[];
}

const TTL_S = 3600;
const TITLES: Readonly<Record<CheckGroup, string>> = {
  dns: "DNS",
  ports: "Ports and certificate",
  system: "Stores and clock",
};
const WORDS: Readonly<Record<Level, string>> = { ok: "ok", note: "-", warn: "warn", fail: "FAIL" };
const WORD_WIDTH = 4;
const COLOURS: Readonly<Record<Level, number>> = { ok: 32, note: 90, warn: 33, fail: 31 };

/** Whether something that is needed is not as it must be. */
export function hasFailures({ checks }: Pick<Report, "checks">): boolean {
  return checks.some((check) => levelOf(check) === "fail");
}

/** Lines without a final line end; colours are ANSI ones. */
export function reportText(
  report: Report,
  { isColoured }: { readonly isColoured: boolean },
): string {
  const groups = (["dns", "ports", "system"] as const)
    .map((group) => ({ group, checks: report.checks.filter((check) => check.group === group) }))
    .filter(({ checks }) => checks.length > 0);
  const width = Math.max(0, ...report.checks.map(({ subject }) => subject.length));
  const sections = groups.map(({ group, checks }) =>
    [TITLES[group], ...checks.flatMap((check) => checkLines(check, { width, isColoured }))].join(
      "\n",
    )
  );
  return [
    `Mail for ${shownDomain(report.domain)}`,
    ...sections,
    zoneText(report.records),
    summary(report),
  ].join("\n\n");
}

function shownDomain(domain: string): string {
  const shown = displayDomain(domain);
  return shown === domain ? domain : `${shown} (${domain})`;
}

function checkLines(
  check: Check,
  { width, isColoured }: { readonly width: number; readonly isColoured: boolean },
): readonly string[] {
  const level = levelOf(check);
  const word = WORDS[level].padEnd(WORD_WIDTH);
  const shown = isColoured ? `\x1b[${COLOURS[level]}m${word}\x1b[0m` : word;
  const indent = " ".repeat(2 + WORD_WIDTH + 2 + width + 2);
  return [
    `  ${shown}  ${check.subject.padEnd(width)}  ${printable(check.reason)}`,
    ...(check.mend === null ? [] : [`${indent}-> ${printable(check.mend)}`]),
  ];
}

/** What stood in somebody's DNS, without what would steer a terminal. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
}

/** The records as lines of a zone file; those that are not for the domain's own zone are comments. */
export function zoneText(records: readonly ExpectedRecord[]): string {
  const ofZone = records.filter(({ part }) => part !== "ptr");
  const reverse = records.filter(({ part }) => part === "ptr");
  return [
    "; Records to publish, as lines of a zone file",
    ...zoneLines(ofZone, ""),
    ...(reverse.length === 0 ? [] : [
      "; Reverse names: ask the provider of the addresses for them",
      ...zoneLines(reverse, "; "),
    ]),
  ].join("\n");
}

function zoneLines(records: readonly ExpectedRecord[], prefix: string): readonly string[] {
  const widest = Math.max(0, ...records.map(({ name }) => name.length + 1));
  let purpose = "";
  return records.flatMap((record) => {
    const line = `${`${record.name}.`.padEnd(widest)}  ${TTL_S}  IN  ${record.type.padEnd(5)}  `;
    const lines = record.value === null
      ? [`; ${line}<public address of this server>`]
      : [`${prefix}${line}${record.value}`];
    if (record.purpose === purpose) return lines;
    purpose = record.purpose;
    return [`; ${record.severity}: ${record.purpose}`, ...lines];
  });
}

function counts(report: Pick<Report, "checks">): Readonly<Record<Level, number>> {
  const counted = { ok: 0, note: 0, warn: 0, fail: 0 };
  for (const check of report.checks) counted[levelOf(check)]++;
  return counted;
}

function summary(report: Report): string {
  const { ok, warn, fail, note } = counts(report);
  const numbers = `${ok} ok, ${warn} warn, ${fail} FAIL, ${note} optional or not checked`;
  if (fail > 0) return `${numbers}: mail for ${displayDomain(report.domain)} needs mending`;
  return warn > 0 ? `${numbers}: mail works; see the warnings` : `${numbers}: all is well`;
}

/** The same for programs. */
export function reportJson(report: Report): unknown {
  return {
    domain: report.domain,
    healthy: !hasFailures(report),
    counts: counts(report),
    checks: report.checks.map((check) => ({
      group: check.group,
      subject: check.subject,
      severity: check.severity,
      verdict: check.verdict,
      level: levelOf(check),
      reason: check.reason,
      mend: check.mend,
    })),
    records: report.records.map(({ name, type, value, severity, purpose }) => ({
      name,
      type,
      ttlS: TTL_S,
      value,
      severity,
      purpose,
    })),
  };
}
