/**
 * Reads DMARC aggregate reports (RFC 9990 §3.1, and what RFC 7489 and its drafts had before it) as they
 * come: elements in any order, unknown ones among them, of any namespace. What a report must have is what
 * makes it one: whose policy, when, and rows with an address and a count. Says nothing about who sent it.
 */
import {
  type AggregateRecord,
  type AggregateReport,
  type Disposition,
  type Reading,
} from "./report.ts";
import { addressOf, domainOf, lineOf, optionalLine, wholeNumber } from "./stranger_text.ts";
import { childOf, childrenOf, textOf, type XmlElement, XmlReader } from "./xml_reader.ts";

/** Records of a report that are kept. */
const MAX_RECORDS = 10_000;
/** RFC 9990 §3.1.4: a report should have no more signatures than these in a row. */
const MAX_OUTCOMES = 100;
const MAX_REASONS = 10;
const MAX_ERRORS = 10;
/** Enough for every message of the world; more is a lie. */
const MAX_COUNT = 2_000_000_000;
/** The year 9999. */
const MAX_SECONDS = 253_402_300_799;
/** Characters read between two pauses. */
const PIECE_CHARACTERS = 64 * 1024;

const DISPOSITIONS: readonly Disposition[] = ["none", "pass", "quarantine", "reject"];

/**
 * Reads a report. The caller bounds the text.
 *
 * @param options `pause` is awaited every some ten thousand characters, so that others have their turn.
 */
export async function parseAggregateReport(
  text: string,
  options: { readonly pause: () => Promise<void> },
): Promise<Reading<AggregateReport>> {
  const reader = new XmlReader(text);
  let metadata: XmlElement | null = null;
  let policy: XmlElement | null = null;
  const records: AggregateRecord[] = [];
  let omittedRecords = 0;
  let isFeedback = false;
  for (let pausedAt = 0;;) {
    const token = reader.next();
    if (token === null) return fault(isFeedback ? "the report is cut off" : "it is no report");
    if (token.kind === "fault") return fault(token.fault);
    if (reader.position > pausedAt + PIECE_CHARACTERS) {
      pausedAt = reader.position;
      await options.pause();
    }
    if (token.kind === "close" && token.name === "feedback") break;
    if (token.kind !== "open") continue;
    if (token.name === "feedback") isFeedback = true;
    if (!isFeedback) continue;
    switch (token.name) {
      case "report_metadata":
        if ((metadata = reader.element(token.name)) === null) {
          return fault("its metadata is broken");
        }
        break;
      case "policy_published":
        if ((policy = reader.element(token.name)) === null) return fault("its policy is broken");
        break;
      case "record": {
        const element = reader.element(token.name);
        if (element === null) return fault("a record is broken");
        const record = recordOf(element);
        if (record !== null && records.length < MAX_RECORDS) records.push(record);
        else omittedRecords++;
      }
    }
  }
  return reportOf({ metadata, policy, records, omittedRecords });
}

function fault(fault: string): Reading<AggregateReport> {
  return { kind: "fault", fault };
}

function reportOf({ metadata, policy, records, omittedRecords }: {
  readonly metadata: XmlElement | null;
  readonly policy: XmlElement | null;
  readonly records: readonly AggregateRecord[];
  readonly omittedRecords: number;
}): Reading<AggregateReport> {
  const range = childOf(metadata, "date_range");
  const begin = wholeNumber(textOf(range, "begin"), MAX_SECONDS);
  const end = wholeNumber(textOf(range, "end"), MAX_SECONDS);
  if (begin === null || end === null || end < begin) return fault("it has no time");
  const domain = domainOf(textOf(policy, "domain"));
  if (domain === "") return fault("it is about no domain");
  const word = (name: string) => optionalLine(textOf(policy, name)?.toLowerCase());
  const email = lineOf(textOf(metadata, "email") ?? "");
  return {
    kind: "report",
    report: {
      kind: "aggregate",
      organization: optionalLine(textOf(metadata, "org_name")) ?? email,
      email,
      extraContact: optionalLine(textOf(metadata, "extra_contact_info")),
      reportId: lineOf(textOf(metadata, "report_id") ?? ""),
      beginMs: begin * 1000,
      endMs: end * 1000,
      errors: childrenOf(metadata, "error").slice(0, MAX_ERRORS).map((each) => lineOf(each.text)),
      generator: optionalLine(textOf(metadata, "generator")),
      policy: {
        domain,
        p: word("p") ?? "none",
        sp: word("sp"),
        np: word("np"),
        adkim: word("adkim"),
        aspf: word("aspf"),
        fo: word("fo"),
        testing: word("testing"),
        discoveryMethod: word("discovery_method"),
      },
      records,
      omittedRecords,
    },
  };
}

/** `null` when it does not say how many messages came from where. */
function recordOf(record: XmlElement): AggregateRecord | null {
  const row = childOf(record, "row");
  const evaluated = childOf(row, "policy_evaluated");
  const identifiers = childOf(record, "identifiers");
  const results = childOf(record, "auth_results");
  const sourceAddress = addressOf(textOf(row, "source_ip"));
  const count = wholeNumber(textOf(row, "count"), MAX_COUNT);
  if (sourceAddress === null || count === null) return null;
  const said = lineOf(textOf(evaluated, "disposition") ?? "").toLowerCase();
  return {
    sourceAddress,
    count,
    disposition: DISPOSITIONS.find((each) => each === said) ?? "none",
    isDkimAligned: isPass(textOf(evaluated, "dkim")),
    isSpfAligned: isPass(textOf(evaluated, "spf")),
    reasons: childrenOf(evaluated, "reason").slice(0, MAX_REASONS).flatMap((reason) => {
      const type = lineOf(textOf(reason, "type") ?? "").toLowerCase();
      return type === "" ? [] : [{ type, comment: optionalLine(textOf(reason, "comment")) }];
    }),
    headerFrom: domainOf(textOf(identifiers, "header_from")),
    envelopeFrom: envelopeFromOf(textOf(identifiers, "envelope_from")),
    envelopeTo: optionalLine(textOf(identifiers, "envelope_to")?.toLowerCase()),
    dkim: childrenOf(results, "dkim").slice(0, MAX_OUTCOMES).map((each) => ({
      domain: lineOf(textOf(each, "domain") ?? "").toLowerCase(),
      selector: optionalLine(textOf(each, "selector")),
      result: lineOf(textOf(each, "result") ?? "none").toLowerCase(),
      explanation: optionalLine(textOf(each, "human_result")),
    })),
    spf: childrenOf(results, "spf").slice(0, MAX_OUTCOMES).map((each) => ({
      domain: lineOf(textOf(each, "domain") ?? "").toLowerCase(),
      scope: optionalLine(textOf(each, "scope")?.toLowerCase()),
      result: lineOf(textOf(each, "result") ?? "none").toLowerCase(),
      explanation: optionalLine(textOf(each, "human_result")),
    })),
  };
}

/** Empty for the null reverse-path, which is something else than not told (RFC 9990 §3.1.1.11). */
function envelopeFromOf(text: string | null): string | null {
  return text === null ? null : lineOf(text).toLowerCase();
}

function isPass(text: string | null): boolean {
  return lineOf(text ?? "").toLowerCase() === "pass";
}
