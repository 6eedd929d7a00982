/** The flags of `deno task bench`. */

import type { ScenarioId, Side } from "./measurement.ts";

export interface BenchOptions {
  readonly rounds: number;
  /** Length aimed at for each measured run. */
  readonly secondsPerRun: number;
  /** Messages of each measured run; `null`: as many as fit `secondsPerRun`. */
  readonly messages: number | null;
  readonly only: ReadonlySet<ScenarioId>;
  readonly skip: ReadonlySet<Side>;
  readonly embedded: boolean;
  /** Sessions of the load generator to choose from; one value: no choice. */
  readonly sessionChoices: readonly number[];
  readonly idleConnections: number;
  /** Messages of the exactly-once pass. */
  readonly exactlyOnceMessages: number;
  readonly sessionWorkers: number | null;
  readonly deliveryWorkers: number | null;
  readonly portBase: number;
  /** Parent of the run's private directory; a real disk, or the figures are of memory. */
  readonly directory: string;
  readonly resultsDirectory: string | null;
}

export const usage = `deno task bench [flags]
  --quick              one round, short runs, no search for the best number of sessions
  --rounds N           rounds, each side in turn; medians are reported (3)
  --seconds N          length aimed at for each measured run (4, quick 1)
  --messages N         messages of each measured run, instead of --seconds
  --only a,c           a b: accept; c d: end to end; e: memory; x: every message exactly once
  --skip-postfix       Sluice alone
  --skip-sluice        Postfix alone
  --embedded           Sluice with its own stores instead of Postgres and Redis
  --sessions N[,N…]    sessions to choose from; one: no choice (10,20,50,100)
  --idle N             idle connections of e (5000, quick 500)
  --exact N            messages of x (20000, quick 2000)
  --session-workers N  threads of Sluice; it decides when left out
  --delivery-workers N
  --port-base N        first of seven ports (12000)
  --dir PATH           where to put the private stores of both sides (/var/tmp)
  --results PATH       where to write (bench/results); "none": nowhere
`;

const scenarios: readonly ScenarioId[] = ["a", "b", "c", "f", "d", "e", "x"];

/** @throws {UsageError} in words for the one who typed it. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const quick = args.includes("--quick");
  const given = new Map<string, string>();
  const plain = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const [flag, inline] = args[i].split("=", 2);
    if (plainFlags.has(flag)) plain.add(flag);
    else if (valueFlags.has(flag)) {
      const value = inline ?? args[++i];
      if (value === undefined) throw new UsageError(`${flag} needs a value`);
      given.set(flag, value);
    } else throw new UsageError(`unknown flag ${flag}`);
  }
  const number = (flag: string, fallback: number, least = 1) =>
    given.has(flag) ? numberOf(flag, given.get(flag)!, least) : fallback;
  const optional = (flag: string) => given.has(flag) ? number(flag, 1) : null;
  const skip = new Set<Side>();
  if (plain.has("--skip-postfix")) skip.add("postfix");
  if (plain.has("--skip-sluice")) skip.add("sluice");
  const sessionText = given.get("--sessions");
  const results = given.get("--results");
  return {
    rounds: number("--rounds", quick ? 1 : 3),
    secondsPerRun: number("--seconds", quick ? 1 : 4, 0.1),
    messages: optional("--messages"),
    only: scenariosOf(given.get("--only")),
    skip,
    embedded: plain.has("--embedded"),
    sessionChoices: sessionText !== undefined
      ? sessionText.split(",").map((text) => numberOf("--sessions", text, 1))
      : quick
      ? [20]
      : [10, 20, 50, 100],
    idleConnections: number("--idle", quick ? 500 : 5000),
    exactlyOnceMessages: number("--exact", quick ? 2000 : 20_000),
    sessionWorkers: optional("--session-workers"),
    deliveryWorkers: optional("--delivery-workers"),
    portBase: number("--port-base", 12_000),
    directory: given.get("--dir") ?? "/var/tmp",
    resultsDirectory: results === "none" ? null : results ?? "bench/results",
  };
}

/** A mistake in the flags. */
export class UsageError extends Error {}

const plainFlags = new Set(["--quick", "--skip-postfix", "--skip-sluice", "--embedded"]);
const valueFlags = new Set([
  ...["--rounds", "--seconds", "--messages", "--only", "--sessions", "--idle", "--exact"],
  ...["--session-workers", "--delivery-workers", "--port-base", "--dir", "--results"],
]);

function numberOf(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) {
    throw new UsageError(`${flag} needs a number from ${least}, got "${text}"`);
  }
  return value;
}

function scenariosOf(text: string | undefined): ReadonlySet<ScenarioId> {
  if (text === undefined) return new Set(scenarios);
  const wanted = text.split(",");
  for (const id of wanted) {
    if (!scenarios.includes(id as ScenarioId)) {
      throw new UsageError(`--only takes ${scenarios.join(",")}, got "${id}"`);
    }
  }
  return new Set(wanted as ScenarioId[]);
}
