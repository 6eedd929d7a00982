/**
 * Composition root of `deno task bench`: Sluice and Postfix, measured side by side on this machine.
 *
 * Starts private Postgres, Redis, Postfix and Sluice in a directory of its own, and removes all of
 * it at the end, on failure and on interruption.
 */

import { chooseFloodTool, flood } from "./load_control.ts";
import { describeMachine } from "./machine.ts";
import type { Machine, RunResult, Side } from "./measurement.ts";
import { type BenchOptions, parseOptions, usage, UsageError } from "./options.ts";
import type { Contender } from "./peers/contender.ts";
import { postfixContender, postfixObstacle } from "./peers/postfix.ts";
import { postgresDirectory, startPostgres } from "./peers/postgres.ts";
import { startRedis } from "./peers/redis.ts";
import { sluiceContender, type SluiceStores } from "./peers/sluice.ts";
import { renderPlot } from "./plot.ts";
import { installed, portOffsets, type Workplace } from "./process.ts";
import { renderReport } from "./report.ts";
import { runRounds } from "./rounds.ts";
import { startCountingSink } from "./sink_control.ts";
import { summarize } from "./summary.ts";

async function main(): Promise<number> {
  if (Deno.args.includes("--help")) {
    console.log(usage);
    return 0;
  }
  const options = parseOptions(Deno.args);
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interruption.abort(new Error(`ended by ${signal}`)));
  }
  const result = await bench(options, interruption.signal);
  console.log(renderReport(result));
  await writeResults(result, options.resultsDirectory);
  return result.failures.length === 0 ? 0 : 1;
}

async function bench(options: BenchOptions, signal: AbortSignal): Promise<RunResult> {
  const startedAt = new Date();
  await using stack = new AsyncDisposableStack();
  const directory = await Deno.makeTempDir({ dir: options.directory, prefix: "sluice-bench-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  // Postgres and Postfix enter it as users of their own.
  await Deno.chmod(directory, 0o755);
  const workplace: Workplace = {
    directory,
    signal,
    port: (use) => options.portBase + portOffsets[use],
  };
  const say = (line: string) => console.error(`${clock(startedAt)} ${line}`);

  const contenders = await chooseContenders(workplace, { options, stack, say });
  const loadTool = await chooseFloodTool();
  const machine = await describe(workplace, { loadTool });
  say(`straight into the sink: ${machine.toolCeilingPerSecond.toFixed(0)}/s`);
  const { samples, failures } = await runRounds({
    workplace,
    options,
    contenders,
    say,
    bench: {
      signal,
      loadTool,
      secondsPerRun: options.secondsPerRun,
      messages: options.messages,
    },
  });
  return {
    startedAt: startedAt.toISOString(),
    tookSeconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    rounds: options.rounds,
    secondsPerRun: options.secondsPerRun,
    embeddedStores: options.embedded,
    machine,
    sides: contenders.map((contender) => contender.side),
    samples,
    failures,
  };
}

async function chooseContenders(
  workplace: Workplace,
  context: { options: BenchOptions; stack: AsyncDisposableStack; say: (line: string) => void },
): Promise<readonly Contender[]> {
  const { options, stack, say } = context;
  const contenders: Contender[] = [];
  if (!options.skip.has("postfix")) {
    const obstacle = await postfixObstacle();
    // Idle connections and room for the busiest load beside them.
    const maxSessions = options.idleConnections + 200;
    if (obstacle === null) contenders.push(postfixContender(workplace, { maxSessions }));
    else say(`Sluice alone: ${obstacle}`);
  }
  if (!options.skip.has("sluice")) {
    const stores = options.embedded ? null : await startStores(workplace, stack);
    const { sessionWorkers, deliveryWorkers } = options;
    contenders.push(sluiceContender(workplace, { stores, sessionWorkers, deliveryWorkers }));
  }
  if (contenders.length === 0) throw new UsageError("no side is left to measure");
  return contenders;
}

async function startStores(
  workplace: Workplace,
  stack: AsyncDisposableStack,
): Promise<SluiceStores> {
  const binDirectory = await postgresDirectory();
  if (binDirectory === null || !await installed("redis-server")) {
    throw new UsageError("Postgres or Redis is not installed: install both, or use --embedded");
  }
  const postgres = stack.use(await startPostgres(workplace, binDirectory));
  const redis = stack.use(await startRedis(workplace));
  return { postgres, redis };
}

/** What a run without any server between load and sink reaches. */
async function describe(
  workplace: Workplace,
  options: { loadTool: "smtp-source" | "load_flood.ts" },
): Promise<Machine> {
  const binDirectory = await postgresDirectory();
  const described = await describeMachine(workplace.directory, {
    postgres: [`${binDirectory ?? ""}/postgres`, "--version"],
    redis: ["redis-server", "--version"],
    postfix: ["postconf", "-h", "mail_version"],
  });
  await using _sink = await startCountingSink(workplace);
  const messages = 10_000;
  const { seconds } = await flood({
    host: "127.0.0.1",
    port: workplace.port("sink"),
    sessions: 20,
    messages,
    sizeOctets: 2048,
    keepConnections: true,
  }, { tool: options.loadTool, signal: workplace.signal });
  return {
    ...described,
    toolCeilingPerSecond: messages / seconds,
    loadTool: options.loadTool,
  };
}

/** The dated file for the record, `latest` for whoever links to it. */
async function writeResults(result: RunResult, directory: string | null): Promise<void> {
  if (directory === null) return;
  await Deno.mkdir(directory, { recursive: true });
  const summary = Object.fromEntries(
    result.sides.map((side: Side) => [side, summarize(result.samples, side)]),
  );
  const text = JSON.stringify({ summary, ...result }, null, 2) + "\n";
  const dated = `${result.startedAt.slice(0, 10)}-${result.machine.kernel}`;
  await Deno.writeTextFile(`${directory}/${dated}.json`, text);
  await Deno.writeTextFile(`${directory}/latest.json`, text);
  await Deno.writeTextFile(`${directory}/latest.svg`, renderPlot(result));
  console.error(`written: ${directory}/${dated}.json, latest.json, latest.svg`);
}

function clock(startedAt: Date): string {
  const seconds = Math.floor((Date.now() - startedAt.getTime()) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, "0")}`;
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (fault) {
    const wrongUsage = fault instanceof UsageError;
    console.error(wrongUsage ? `${fault.message}\n\n${usage}` : `bench: ${fault}`);
    Deno.exit(wrongUsage ? 2 : 1);
  }
}
