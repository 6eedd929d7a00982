/** Reduces the samples of all rounds to one figure a row: the median. */

import {
  type CpuGroup,
  cpuGroups,
  type LoadScenarioId,
  loadScenarios,
  type Sample,
  type Side,
} from "./measurement.ts";
import { median } from "./statistics.ts";

/** `null` where nothing was measured. */
export interface LoadSummary {
  readonly sessions: number | null;
  readonly ratePerSecond: number | null;
  readonly acceptedPerSecond: number | null;
  readonly cpuMachineMs: number | null;
  readonly cpuGroupsMs: Readonly<Record<CpuGroup, number | null>>;
  readonly pacedPerSecond: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

export interface SideSummary {
  readonly loads: Readonly<Record<LoadScenarioId, LoadSummary>>;
  readonly idleConnections: number | null;
  readonly serverMib: number | null;
  readonly withStoresMib: number | null;
  readonly exactlyOnce: {
    readonly sent: number;
    readonly missing: number;
    readonly doubled: number;
  } | null;
}

export function summarize(samples: readonly Sample[], side: Side): SideSummary {
  const own = samples.filter((sample) => sample.side === side);
  const memory = own.filter((sample) => sample.kind === "memory").at(-1);
  const exactly = own.filter((sample) => sample.kind === "exactly_once").at(-1);
  const loads = Object.fromEntries(
    Object.values(loadScenarios).map(({ id }) => [id, summarizeLoad(own, id)]),
  ) as Record<LoadScenarioId, LoadSummary>;
  return {
    loads,
    idleConnections: memory?.idleConnections ?? null,
    serverMib: memory?.serverMib ?? null,
    withStoresMib: memory?.withStoresMib ?? null,
    exactlyOnce: exactly === undefined
      ? null
      : { sent: exactly.sent, missing: exactly.missing, doubled: exactly.doubled },
  };
}

function summarizeLoad(samples: readonly Sample[], id: LoadScenarioId): LoadSummary {
  const runs = samples
    .filter((sample) => sample.kind === "throughput")
    .filter((sample) => sample.scenario === id);
  const timings = samples
    .filter((sample) => sample.kind === "latency")
    .filter((sample) => sample.scenario === id);
  return {
    sessions: runs.at(-1)?.sessions ?? null,
    ratePerSecond: median(runs.map((run) => run.ratePerSecond)),
    acceptedPerSecond: median(runs.map((run) => run.acceptedPerSecond)),
    cpuMachineMs: median(runs.map((run) => run.cpu.machineMs)),
    cpuGroupsMs: Object.fromEntries(
      cpuGroups.map((group) => [group, median(runs.map((run) => run.cpu.groupsMs[group]))]),
    ) as Record<CpuGroup, number | null>,
    pacedPerSecond: median(timings.map((timing) => timing.pacedPerSecond)),
    p50Ms: median(timings.map((timing) => timing.latencyMs.p50)),
    p95Ms: median(timings.map((timing) => timing.latencyMs.p95)),
    p99Ms: median(timings.map((timing) => timing.latencyMs.p99)),
  };
}
