/**
 * The order of a run: which side is measured when, with which server and sink beside it.
 *
 * Sides take turns within each phase, one server at a time, each with an empty queue. A phase that
 * fails is noted and the run goes on: half a comparison is worth more than none.
 */

import {
  type Failure,
  type LoadScenario,
  type LoadScenarioId,
  loadScenarios,
  type Sample,
  type ScenarioId,
  type Side,
} from "./measurement.ts";
import type { BenchOptions } from "./options.ts";
import type { Contender, Role, RunningServer } from "./peers/contender.ts";
import { run, type Workplace } from "./process.ts";
import {
  type Bench,
  checkExactlyOnce,
  measureLatency,
  measureMemory,
  measureThroughput,
  trialRate,
  warmUp,
} from "./scenarios.ts";
import {
  type CountingSink,
  type StampingSink,
  startCountingSink,
  startStampingSink,
} from "./sink_control.ts";

export interface RunContext {
  readonly workplace: Workplace;
  readonly bench: Bench;
  readonly options: BenchOptions;
  readonly contenders: readonly Contender[];
  readonly say: (line: string) => void;
}

/** Each trial in the search for the best number of sessions. */
const trialSeconds = 1.2;

export async function runRounds(
  context: RunContext,
): Promise<{ samples: readonly Sample[]; failures: readonly Failure[] }> {
  const course = new Course(context);
  for (const contender of context.contenders) await course.chooseSessions(contender, "a");
  const { rounds } = context.options;
  // All accepting comes first. Relaying makes Postfix delete files by the thousand, and ext4 is slow
  // to make new ones for minutes after that: a cost of relaying, not of accepting.
  for (let round = 1; round <= rounds; round++) {
    for (const contender of context.contenders) await course.accepting(contender, round);
  }
  for (const contender of context.contenders) await course.chooseSessions(contender, "c");
  for (let round = 1; round <= rounds; round++) {
    for (const contender of context.contenders) await course.relaying(contender, round);
    for (const contender of context.contenders) await course.timing(contender, round);
  }
  for (const contender of context.contenders) await course.counting(contender);
  for (const contender of context.contenders) await course.idling(contender);
  return course;
}

class Course {
  readonly samples: Sample[] = [];
  readonly failures: Failure[] = [];
  readonly #context: RunContext;
  readonly #sessions = new Map<string, number>();

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** Finds the number of sessions at which a side is fastest: a stands for a and b, c for the others. */
  async chooseSessions(contender: Contender, id: "a" | "c"): Promise<void> {
    const choices = this.#context.options.sessionChoices;
    if (
      choices.length === 1 ||
      !this.#wants(...(id === "a" ? ["a", "b"] as const : ["c", "f", "d"] as const))
    ) return;
    const scenario = loadScenarios[id];
    const role = id === "a" ? "hold" : "relay";
    await this.#phase(contender, { name: `sessions ${id}`, role }, async (server, stack) => {
      const sink = role === "relay" ? await this.#countingSink(stack) : null;
      const { bench } = this.#context;
      const warmRate = await warmUp(bench, server, { scenario, sessions: choices[0], sink });
      let best = 0;
      for (const sessions of choices) {
        const load = { scenario, sessions, sink, rate: warmRate, seconds: trialSeconds };
        const rate = await trialRate(bench, server, load);
        this.#say(contender, `${sessions} sessions: ${rate.toFixed(0)}/s`);
        if (rate <= best) continue;
        best = rate;
        this.#sessions.set(`${contender.side} ${scenario.until}`, sessions);
      }
    });
  }

  /** a, b: throughput, then the time to the 250 at half of it. */
  async accepting(contender: Contender, round: number): Promise<void> {
    for (const scenario of this.#wanted(["a", "b"])) {
      const name = `${scenario.id}, round ${round}`;
      await this.#phase(contender, { name, role: "hold" }, async (server) => {
        await this.#throughput(contender, { server, scenario, round, sink: null });
        await this.#latency(contender, { server, scenario, round, sink: null });
      });
    }
  }

  /** c, f, d: throughput through to a sink that only counts. */
  async relaying(contender: Contender, round: number): Promise<void> {
    const wanted = this.#wanted(["c", "f", "d"]);
    if (wanted.length === 0) return;
    const name = `c f d, round ${round}`;
    await this.#phase(contender, { name, role: "relay" }, async (server, stack) => {
      const sink = await this.#countingSink(stack);
      for (const scenario of wanted) {
        await this.#throughput(contender, { server, scenario, round, sink });
      }
    });
  }

  /** c, d: time to the arrival at a sink that reads stamps. */
  async timing(contender: Contender, round: number): Promise<void> {
    const wanted = this.#wanted(["c", "d"]);
    if (wanted.length === 0) return;
    const name = `latency c d, round ${round}`;
    await this.#phase(contender, { name, role: "relay" }, async (server, stack) => {
      const sink = await this.#stampingSink(stack);
      for (const scenario of wanted) {
        await warmUp(this.#context.bench, server, {
          ...this.#load(contender, scenario),
          sink,
        });
        await this.#latency(contender, { server, scenario, round, sink });
      }
    });
  }

  async counting(contender: Contender): Promise<void> {
    if (!this.#wants("x")) return;
    await this.#phase(contender, { name: "exactly once", role: "relay" }, async (server, stack) => {
      const sink = await this.#stampingSink(stack);
      const load = this.#load(contender, loadScenarios.c);
      const messages = this.#context.options.exactlyOnceMessages;
      const sample = await checkExactlyOnce(this.#context.bench, server, {
        ...load,
        messages,
        sink,
      });
      this.samples.push({ ...sample, side: contender.side });
      this.#say(contender, `${sample.missing} missing, ${sample.doubled} doubled`);
      if (sample.missing + sample.doubled + sample.unknown > 0) {
        throw new Error(`not exactly once: ${JSON.stringify(sample)}`);
      }
    });
  }

  async idling(contender: Contender): Promise<void> {
    if (!this.#wants("e")) return;
    await this.#phase(contender, { name: "memory", role: "hold" }, async (server) => {
      const load = { ...this.#load(contender, loadScenarios.a), sink: null };
      await warmUp(this.#context.bench, server, load);
      const sample = await measureMemory(this.#context.bench, server, this.#context.options);
      this.samples.push({ ...sample, side: contender.side });
      this.#say(contender, `${sample.serverMib.toFixed(0)} MiB`);
    });
  }

  async #throughput(
    contender: Contender,
    at: {
      server: RunningServer;
      scenario: LoadScenario;
      round: number;
      sink: CountingSink | null;
    },
  ): Promise<void> {
    const load = { ...this.#load(contender, at.scenario), sink: at.sink };
    const { bench } = this.#context;
    const warmRate = await warmUp(bench, at.server, load);
    const sample = await measureThroughput(bench, at.server, { ...load, warmRate });
    this.samples.push({ ...sample, side: contender.side, round: at.round });
    const cpu = sample.cpu.machineMs.toFixed(2);
    this.#say(contender, `${at.scenario.id}: ${sample.ratePerSecond.toFixed(0)}/s, CPU ${cpu} ms`);
  }

  /** At half of the peak found in the same round. */
  async #latency(
    contender: Contender,
    at: {
      server: RunningServer;
      scenario: LoadScenario;
      round: number;
      sink: StampingSink | null;
    },
  ): Promise<void> {
    const { scenario, round } = at;
    const peak = this.samples.find((sample) =>
      sample.kind === "throughput" && sample.side === contender.side &&
      sample.scenario === scenario.id && sample.round === round
    );
    if (peak?.kind !== "throughput") throw new Error(`no peak to halve for ${scenario.id}`);
    const pacePerSecond = peak.ratePerSecond / 2;
    const load = { scenario, pacePerSecond, sink: at.sink };
    const sample = await measureLatency(this.#context.bench, at.server, load);
    this.samples.push({ ...sample, side: contender.side, round });
    const { p50, p99 } = sample.latencyMs;
    this.#say(
      contender,
      `${scenario.id}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms at ` +
        `${pacePerSecond.toFixed(0)}/s`,
    );
  }

  /** Starts a server, does the work, ends it; a failure is noted against the side. */
  async #phase(
    contender: Contender,
    phase: { name: string; role: Role },
    work: (server: RunningServer, stack: AsyncDisposableStack) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#context.bench;
    signal.throwIfAborted();
    this.#say(contender, `— ${phase.name}`);
    try {
      // What the last phase left unwritten must not weigh on this one.
      await run("sync", []);
      // Disposed of in reverse: the server ends before the sink it may still be talking to.
      await using stack = new AsyncDisposableStack();
      await using serverStack = new AsyncDisposableStack();
      const server = serverStack.use(await contender.start(phase.role));
      await work(server, stack);
    } catch (cause) {
      signal.throwIfAborted();
      const reason = reasonOf(cause);
      this.#say(contender, `failed: ${reason}`);
      this.failures.push({ side: contender.side, scenario: phase.name, reason });
    }
  }

  #load(contender: Contender, scenario: LoadScenario) {
    const chosen = this.#sessions.get(`${contender.side} ${scenario.until}`);
    return { scenario, sessions: chosen ?? this.#context.options.sessionChoices[0] };
  }

  #wants(...ids: ScenarioId[]): boolean {
    return ids.some((id) => this.#context.options.only.has(id));
  }

  #wanted(ids: readonly LoadScenarioId[]): readonly LoadScenario[] {
    return ids.filter((id) => this.#wants(id)).map((id) => loadScenarios[id]);
  }

  async #countingSink(stack: AsyncDisposableStack): Promise<CountingSink> {
    return stack.use(await startCountingSink(this.#context.workplace));
  }

  async #stampingSink(stack: AsyncDisposableStack): Promise<StampingSink> {
    return stack.use(await startStampingSink(this.#context.workplace));
  }

  #say(contender: { side: Side }, line: string): void {
    this.#context.say(`${contender.side.padEnd(8)} ${line}`);
  }
}

/** A failure in one line, its causes included; what went wrong first comes before the clean-up. */
function reasonOf(cause: unknown): string {
  if (cause instanceof SuppressedError) {
    return `${reasonOf(cause.suppressed)}; then ${reasonOf(cause.error)}`;
  }
  const said: string[] = [];
  for (let at = cause; at instanceof Error; at = at.cause) said.push(at.message);
  return said.length === 0 ? String(cause) : said.join(": ");
}
