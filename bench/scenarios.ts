/**
 * How each figure is taken, against one running server. Knows nothing of rounds or sides' order.
 *
 * Every run is preceded by a warm-up of the same kind, which also tells how many messages fill the
 * time wanted, and by a look at the idle machine, whose processor time is taken off.
 */

import { flood, holdIdle, sendPaced } from "./load_control.ts";
import { cpuPerMessage, type ProcessRoots, readCpu, readIdleCores, readMemory } from "./machine.ts";
import type {
  ExactlyOnceSample,
  LatencySample,
  LoadScenario,
  MemorySample,
  ThroughputSample,
} from "./measurement.ts";
import type { RunningServer } from "./peers/contender.ts";
import { pause, poll } from "./process.ts";
import type { CountingSink, StampingSink } from "./sink_control.ts";

/** What all runs have in common. */
export interface Bench {
  readonly signal: AbortSignal;
  readonly loadTool: "smtp-source" | "load_flood.ts";
  readonly secondsPerRun: number;
  /** Fixed size of each run, or `null` for as many messages as fit `secondsPerRun`. */
  readonly messages: number | null;
}

export interface Load {
  readonly scenario: LoadScenario;
  readonly sessions: number;
}

/** Work a server does after its last answer still belongs to the messages. */
const settleMs = 250;
const idleLookMs = 800;
const probeMessages = 300;
const warmBatchSeconds = 0.7;
const warmBatchLimit = 6;

/** Sends so many messages; gives the seconds until the last was accepted, and until it had arrived. */
async function sendAll(
  bench: Bench,
  server: RunningServer,
  load: Load & { messages: number; sink: CountingSink | null },
): Promise<{ seconds: number; acceptSeconds: number }> {
  const { scenario, sessions, messages, sink } = load;
  const before = await sink?.count();
  const startedAtMs = Date.now();
  const { seconds } = await flood({
    host: "127.0.0.1",
    port: server.smtpPort,
    sessions: Math.min(sessions, messages),
    messages,
    sizeOctets: scenario.sizeOctets,
    keepConnections: scenario.keepConnections,
  }, { tool: bench.loadTool, signal: bench.signal });
  if (sink === null || before === undefined) return { seconds, acceptSeconds: seconds };
  const expected = before.arrived + messages;
  const last = await allArrived(sink, { expected, seconds, signal: bench.signal });
  return { seconds: (last - startedAtMs) / 1000, acceptSeconds: seconds };
}

/** Unix milliseconds of the last of the expected messages; @throws when some never come. */
export async function allArrived(
  sink: CountingSink,
  options: { expected: number; seconds: number; signal: AbortSignal },
): Promise<number> {
  const deadlineMs = 30_000 + options.seconds * 4000;
  let arrived = 0;
  const check = async () => {
    const count = await sink.count();
    arrived = count.arrived;
    return arrived >= options.expected ? count : null;
  };
  const what = "all messages arriving at the sink";
  const count = await poll(check, { what, deadlineMs, everyMs: 10, signal: options.signal })
    .catch((cause) => {
      const missing = options.expected - arrived;
      throw new Error(`${missing} of ${options.expected} messages missing`, { cause });
    });
  if (count.arrived > options.expected) {
    throw new Error(`${count.arrived - options.expected} messages more than were sent`);
  }
  return count.lastAtMs;
}

/**
 * Sends until a batch is no longer faster than the one before, and gives the rate of the last.
 * A just-in-time compiler needs that, and so does ext4, which is slow at first to make files where
 * many have lately been deleted.
 */
export async function warmUp(
  bench: Bench,
  server: RunningServer,
  load: Load & { sink: CountingSink | null },
): Promise<number> {
  const probe = await sendAll(bench, server, { ...load, messages: probeMessages });
  let rate = probeMessages / probe.seconds;
  for (let batch = 1; batch <= warmBatchLimit; batch++) {
    const before = rate;
    rate = await trialRate(bench, server, { ...load, rate, seconds: warmBatchSeconds });
    if (batch > 1 && rate < before * 1.1) break;
  }
  return rate;
}

/** The rate of a single run of about so many seconds, given about the rate to expect. */
export async function trialRate(
  bench: Bench,
  server: RunningServer,
  load: Load & { sink: CountingSink | null; rate: number; seconds: number },
): Promise<number> {
  const messages = Math.ceil(load.rate * load.seconds);
  const { seconds } = await sendAll(bench, server, { ...load, messages });
  return messages / seconds;
}

export async function measureThroughput(
  bench: Bench,
  server: RunningServer,
  load: Load & { sink: CountingSink | null; warmRate: number },
): Promise<Omit<ThroughputSample, "side" | "round">> {
  const { scenario, sessions, sink, warmRate } = load;
  const messages = bench.messages ?? Math.ceil(warmRate * bench.secondsPerRun);
  const roots: ProcessRoots = { ...server.roots, ...(sink === null ? {} : { sink: [sink.pid] }) };
  await pause(settleMs, bench.signal);
  const idleCores = await readIdleCores(idleLookMs, bench.signal);
  const before = await readCpu(roots);
  const { seconds, acceptSeconds } = await sendAll(bench, server, { ...load, messages });
  await pause(settleMs, bench.signal);
  const after = await readCpu(roots);
  return {
    kind: "throughput",
    scenario: scenario.id,
    sessions,
    messages,
    seconds,
    ratePerSecond: messages / seconds,
    acceptedPerSecond: messages / acceptSeconds,
    cpu: cpuPerMessage({ before, after }, { messages, idleCores }),
  };
}

/** With a sink the time runs to the arrival there, without one to the 250. */
export async function measureLatency(
  bench: Bench,
  server: RunningServer,
  load: { scenario: LoadScenario; pacePerSecond: number; sink: StampingSink | null },
): Promise<Omit<LatencySample, "side" | "round">> {
  const { scenario, pacePerSecond, sink } = load;
  const messages = Math.max(1, Math.ceil(pacePerSecond * bench.secondsPerRun));
  await sink?.reset(messages);
  const report = await sendPaced({
    host: "127.0.0.1",
    port: server.smtpPort,
    pacePerSecond,
    messages,
    sizeOctets: scenario.sizeOctets,
    keepConnections: scenario.keepConnections,
    maxConnections: 200,
  }, bench.signal);
  if (report.failed > 0) {
    throw new Error(`${report.failed} of ${messages} paced messages failed: ${report.firstFault}`);
  }
  let latencyMs = report.acceptMs;
  if (sink !== null) {
    const seconds = bench.secondsPerRun;
    await allArrived(sink, { expected: messages, seconds, signal: bench.signal });
    latencyMs = (await sink.report()).latencyMs;
  }
  return {
    kind: "latency",
    scenario: scenario.id,
    pacedPerSecond: pacePerSecond,
    sentPerSecond: report.sentPerSecond,
    latencyMs,
    behindScheduleMs: report.behindScheduleMs,
  };
}

export async function measureMemory(
  bench: Bench,
  server: RunningServer,
  options: { idleConnections: number },
): Promise<Omit<MemorySample, "side">> {
  const { server: serverRoots = [], postgres = [], redis = [] } = server.roots;
  const quiet = await readMemory(serverRoots);
  await using idle = await holdIdle({
    host: "127.0.0.1",
    port: server.smtpPort,
    connections: options.idleConnections,
  }, bench.signal);
  await pause(2000, bench.signal);
  const busy = await readMemory(serverRoots);
  const stores = await readMemory([...postgres, ...redis]);
  const open = await idle.open();
  if (open !== options.idleConnections) {
    throw new Error(`${options.idleConnections - open} of ${options.idleConnections} were closed`);
  }
  return {
    kind: "memory",
    idleConnections: open,
    quietMib: quiet.mib,
    serverMib: busy.mib,
    withStoresMib: busy.mib + stores.mib,
    processes: busy.processes.length,
    largest: busy.processes.slice(0, 5),
  };
}

/** Every message carries a serial; the sink tells which came, and how often. */
export async function checkExactlyOnce(
  bench: Bench,
  server: RunningServer,
  load: Load & { messages: number; sink: StampingSink },
): Promise<Omit<ExactlyOnceSample, "side">> {
  const { scenario, sessions, messages, sink } = load;
  await sink.reset(messages);
  const startedAtMs = Date.now();
  const { seconds } = await flood({
    host: "127.0.0.1",
    port: server.smtpPort,
    sessions,
    messages,
    sizeOctets: scenario.sizeOctets,
    keepConnections: true,
  }, { tool: "load_flood.ts", signal: bench.signal });
  // What is missing at the deadline is reported, not thrown: it is the result.
  await allArrived(sink, { expected: messages, seconds, signal: bench.signal }).catch(() => {});
  // A second copy comes after the first.
  await pause(1000, bench.signal);
  const report = await sink.report();
  return {
    kind: "exactly_once",
    sent: messages,
    arrived: report.arrived,
    missing: report.missing,
    doubled: report.doubled,
    unknown: report.unknown,
    ratePerSecond: report.arrived / ((report.lastAtMs - startedAtMs) / 1000),
  };
}
