/** The flags of `deno task bench:judging`. */

import { parseArgs } from "node:util";
import { UsageError } from "./options.ts";
import type { Side } from "./measurement.ts";

export interface JudgingOptions {
  readonly rounds: number;
  /** Length aimed at for each measured run. */
  readonly secondsPerRun: number;
  /** Sessions of the load generator to choose from; one value: no choice. */
  readonly sessionChoices: readonly number[];
  readonly skip: ReadonlySet<Side>;
  readonly senderDomains: number;
  /** Different messages; they go round and round. */
  readonly letters: number;
  readonly sizeOctets: number;
  readonly rspamdProcesses: number;
  readonly portBase: number;
  readonly directory: string;
  readonly resultsDirectory: string | null;
}

export const usage = `deno task bench:judging [flags]
  --rounds N             rounds, each side in turn; medians are reported (3)
  --seconds N            length aimed at for each measured run (5)
  --sessions N[,N…]      sessions to choose from; one: no choice (10,20,40)
  --skip-postfix         Sluice alone
  --skip-sluice          Postfix with rspamd alone
  --domains N            sender domains (300)
  --letters N            different messages (6000)
  --size N               octets of a message (5120)
  --rspamd-processes N   processes of rspamd that judge (one a core)
  --port-base N          first of ten ports (12200)
  --dir PATH             where to put the private stores of both sides (/var/tmp)
  --results PATH         where to write (bench/results); "none": nowhere
`;

/** @throws {UsageError} in words for the one who typed it. */
export function parseJudgingOptions(args: readonly string[]): JudgingOptions {
  const text = { type: "string" } as const;
  const plain = { type: "boolean" } as const;
  const given = read(args, {
    ...{ rounds: text, seconds: text, sessions: text, domains: text, letters: text, size: text },
    ...{ "rspamd-processes": text, "port-base": text, dir: text, results: text },
    ...{ "skip-postfix": plain, "skip-sluice": plain },
  });
  const number = (name: string, fallback: number, least = 1) => {
    const value = given[name];
    return typeof value === "string" ? numberOf(name, value, least) : fallback;
  };
  const skip = new Set<Side>();
  if (given["skip-postfix"] === true) skip.add("postfix");
  if (given["skip-sluice"] === true) skip.add("sluice");
  if (skip.size === 2) throw new UsageError("no side is left to measure");
  const { sessions = "10,20,40", dir = "/var/tmp", results = "bench/results" } = given as Record<
    string,
    string
  >;
  return {
    rounds: number("rounds", 3),
    secondsPerRun: number("seconds", 5, 0.1),
    sessionChoices: sessions.split(",").map((text) => numberOf("sessions", text, 1)),
    skip,
    senderDomains: number("domains", 300),
    letters: number("letters", 6000),
    sizeOctets: number("size", 5120, 1500),
    rspamdProcesses: number("rspamd-processes", navigator.hardwareConcurrency),
    portBase: number("port-base", 12_200),
    directory: dir,
    resultsDirectory: results === "none" ? null : results,
  };
}

function read(
  args: readonly string[],
  options: Readonly<Record<string, { readonly type: "string" | "boolean" }>>,
): Readonly<Record<string, unknown>> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) {
    throw new UsageError(`--${name} needs a number from ${least}, got "${text}"`);
  }
  return value;
}
