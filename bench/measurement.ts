/**
 * The nouns of a run: what is measured, on which side, and in which units.
 * Knows neither how a figure is taken nor how it is shown.
 */

export type Side = "postfix" | "sluice";

/** a, b: accepting only; c, f, d: through to the sink; e: memory; x: every message exactly once. */
export type ScenarioId = "a" | "b" | "c" | "f" | "d" | "e" | "x";

export type LoadScenarioId = "a" | "b" | "c" | "f" | "d";

/** Whose processor time it was; `filter` judges mail for a server, `harness` is this program itself. */
export type CpuGroup =
  | "server"
  | "filter"
  | "postgres"
  | "redis"
  | "dns"
  | "load"
  | "sink"
  | "harness";

export const cpuGroups: readonly CpuGroup[] = [
  "server",
  "filter",
  "postgres",
  "redis",
  "dns",
  "load",
  "sink",
  "harness",
];

export interface LoadScenario {
  readonly id: LoadScenarioId;
  readonly title: string;
  /** Payload beneath the header section. */
  readonly sizeOctets: number;
  /** One connection carries many messages, or each message opens its own. */
  readonly keepConnections: boolean;
  /** How far a message has to come before it counts. */
  readonly until: "accepted" | "arrived";
}

export const loadScenarios: Readonly<Record<LoadScenarioId, LoadScenario>> = {
  a: {
    id: "a",
    title: "accept, kept connections, 2 KiB",
    sizeOctets: 2048,
    keepConnections: true,
    until: "accepted",
  },
  b: {
    id: "b",
    title: "accept, a connection a message, 2 KiB",
    sizeOctets: 2048,
    keepConnections: false,
    until: "accepted",
  },
  c: {
    id: "c",
    title: "end to end, kept connections, 2 KiB",
    sizeOctets: 2048,
    keepConnections: true,
    until: "arrived",
  },
  f: {
    id: "f",
    title: "end to end, a connection a message, 2 KiB",
    sizeOctets: 2048,
    keepConnections: false,
    until: "arrived",
  },
  d: {
    id: "d",
    title: "end to end, 100 KiB",
    sizeOctets: 102_400,
    keepConnections: true,
    until: "arrived",
  },
};

export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Processor time of a run, per message, in milliseconds. */
export interface CpuPerMessage {
  /** Everything the machine did, less what it did when idle. */
  readonly machineMs: number;
  readonly groupsMs: Readonly<Record<CpuGroup, number>>;
  /** Busy cores just before the run, already taken off `machineMs`. */
  readonly idleCores: number;
}

export interface ThroughputSample {
  readonly kind: "throughput";
  readonly scenario: LoadScenarioId;
  readonly side: Side;
  readonly round: number;
  readonly sessions: number;
  readonly messages: number;
  readonly seconds: number;
  readonly ratePerSecond: number;
  /** What the clients saw, while the server also delivered in c, f and d. */
  readonly acceptedPerSecond: number;
  readonly cpu: CpuPerMessage;
}

export interface LatencySample {
  readonly kind: "latency";
  readonly scenario: LoadScenarioId;
  readonly side: Side;
  readonly round: number;
  /** The pace asked for: half of the peak found in the same round. */
  readonly pacedPerSecond: number;
  readonly sentPerSecond: number;
  /** From just before DATA is written to the 250 (a, b) or the arrival at the sink (c, f, d). */
  readonly latencyMs: Percentiles;
  /** How far behind its schedule the load generator wrote DATA; shows when the pace was not held. */
  readonly behindScheduleMs: Percentiles;
}

export interface MemorySample {
  readonly kind: "memory";
  readonly side: Side;
  readonly idleConnections: number;
  /** Proportional set size of the server's own processes before the connections. */
  readonly quietMib: number;
  readonly serverMib: number;
  /** The server with its private Postgres and Redis; equal to `serverMib` where it has none. */
  readonly withStoresMib: number;
  readonly processes: number;
  readonly largest: readonly { readonly name: string; readonly mib: number }[];
}

export interface ExactlyOnceSample {
  readonly kind: "exactly_once";
  readonly side: Side;
  readonly sent: number;
  readonly arrived: number;
  readonly missing: number;
  readonly doubled: number;
  /** Messages at the sink that carried no serial or one never sent. */
  readonly unknown: number;
  readonly ratePerSecond: number;
}

export type Sample = ThroughputSample | LatencySample | MemorySample | ExactlyOnceSample;

export interface Failure {
  readonly side: Side;
  readonly scenario: string;
  readonly reason: string;
}

export interface Machine {
  readonly cores: number;
  readonly cpuModel: string;
  readonly memoryMib: number;
  readonly kernel: string;
  /** File system under every store of both sides. */
  readonly fileSystem: string;
  /** Straight from the load generator into the sink: the ceiling of the tools themselves. */
  readonly toolCeilingPerSecond: number;
  readonly loadTool: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly commit: string;
}

export interface RunResult {
  readonly startedAt: string;
  readonly tookSeconds: number;
  readonly rounds: number;
  readonly secondsPerRun: number;
  readonly embeddedStores: boolean;
  readonly machine: Machine;
  readonly sides: readonly Side[];
  readonly samples: readonly Sample[];
  readonly failures: readonly Failure[];
}
