/** The table on the terminal. Decides how figures read, not what they are. */

import {
  type CpuGroup,
  cpuGroups,
  loadScenarios,
  type RunResult,
  type Side,
} from "./measurement.ts";
import { median } from "./statistics.ts";
import { type LoadSummary, type SideSummary, summarize } from "./summary.ts";

/** A line of figures, or a heading when it has none. */
interface Row {
  readonly label: string;
  readonly values?: ReadonlyMap<Side, number | null>;
  readonly digits?: number;
}

/** More than this is no longer the background of an idle machine. */
const quietCores = 0.15;

const sideNames: Readonly<Record<Side, string>> = { postfix: "Postfix", sluice: "Sluice" };

/** The whole report: machine, table, failures. */
export function renderReport(result: RunResult): string {
  const { machine } = result;
  const stores = result.embeddedStores ? "embedded stores" : "Postgres and Redis";
  const lines = [
    `${machine.cores} × ${machine.cpuModel}, ${Math.round(machine.memoryMib / 1024)} GiB, ` +
    `Linux ${machine.kernel}, ${machine.fileSystem}; Sluice on ${stores}`,
    `medians of ${result.rounds} ${result.rounds === 1 ? "round" : "rounds"} of ` +
    `${result.secondsPerRun} s, sides in turn; ${machine.loadTool} straight into the sink: ` +
    `${figure(machine.toolCeilingPerSecond, 0)}/s`,
    "",
    ...renderTable(result.sides, rowsOf(result)),
  ];
  const foreignCores = median(idleCoresOf(result)) ?? 0;
  if (foreignCores > quietCores) {
    lines.push(
      "",
      `CAUTION other work kept ${figure(foreignCores, 2)} cores busy between the runs: ` +
        "these figures are too low, and the whole machine's CPU is a guess",
    );
  }
  for (const failure of result.failures) {
    lines.push("", `FAILED ${sideNames[failure.side]}, ${failure.scenario}: ${failure.reason}`);
  }
  return lines.join("\n") + "\n";
}

function idleCoresOf(result: RunResult): readonly number[] {
  return result.samples
    .filter((sample) => sample.kind === "throughput")
    .map((sample) => sample.cpu.idleCores);
}

function rowsOf(result: RunResult): readonly Row[] {
  const summaries = new Map(result.sides.map((side) => [side, summarize(result.samples, side)]));
  const rows: Row[] = [];
  for (const scenario of Object.values(loadScenarios)) {
    const add = (label: string, digits: number, read: (load: LoadSummary) => number | null) =>
      rows.push({
        label: `  ${label}`,
        digits,
        values: pick(summaries, (s) => read(s.loads[scenario.id])),
      });
    if (!measured(summaries, (summary) => summary.loads[scenario.id].ratePerSecond)) continue;
    rows.push({ label: `${scenario.id}  ${scenario.title}` });
    add("messages/s", 0, (load) => load.ratePerSecond);
    add("CPU ms/message, whole machine", 2, (load) => load.cpuMachineMs);
    for (const group of cpuGroups) {
      if (!relevant(summaries, scenario.id, group)) continue;
      add(`  ${group}`, 2, (load) => load.cpuGroupsMs[group]);
    }
    const until = scenario.until === "accepted" ? "DATA to 250" : "DATA to sink";
    add(`${until}, p50 ms`, 1, (load) => load.p50Ms);
    add("  p95 ms", 1, (load) => load.p95Ms);
    add("  p99 ms", 1, (load) => load.p99Ms);
    add("  paced at messages/s", 0, (load) => load.pacedPerSecond);
    add("sessions of the load generator", 0, (load) => load.sessions);
  }
  if (measured(summaries, (summary) => summary.serverMib)) {
    const connections = Math.max(...[...summaries.values()].map((s) => s.idleConnections ?? 0));
    rows.push({ label: `e  memory with ${figure(connections, 0)} idle connections` });
    rows.push({
      label: "  server, MiB",
      digits: 0,
      values: pick(summaries, (s) => s.serverMib),
    });
    rows.push({
      label: "  with Postgres and Redis, MiB",
      digits: 0,
      values: pick(summaries, (s) => s.withStoresMib),
    });
  }
  if (measured(summaries, (summary) => summary.exactlyOnce?.sent ?? null)) {
    rows.push({ label: "x  every message exactly once" });
    for (const part of ["sent", "missing", "doubled"] as const) {
      rows.push({
        label: `  ${part}`,
        digits: 0,
        values: pick(summaries, (s) => s.exactlyOnce?.[part] ?? null),
      });
    }
  }
  return rows;
}

function pick(
  summaries: ReadonlyMap<Side, SideSummary>,
  read: (summary: SideSummary) => number | null,
): ReadonlyMap<Side, number | null> {
  return new Map([...summaries].map(([side, summary]) => [side, read(summary)]));
}

function measured(
  summaries: ReadonlyMap<Side, SideSummary>,
  read: (summary: SideSummary) => number | null,
): boolean {
  return [...summaries.values()].some((summary) => read(summary) !== null);
}

/** A group that takes no part on any side, such as a sink nobody sends to, gets no line. */
function relevant(
  summaries: ReadonlyMap<Side, SideSummary>,
  id: keyof SideSummary["loads"],
  group: CpuGroup,
): boolean {
  return [...summaries.values()].some((s) => (s.loads[id].cpuGroupsMs[group] ?? 0) >= 0.005);
}

function renderTable(sides: readonly Side[], rows: readonly Row[]): readonly string[] {
  const withRatio = sides.includes("postfix") && sides.includes("sluice");
  const width = Math.max(...rows.map((row) => row.label.length), 20) + 2;
  const heads = [...sides.map((side) => sideNames[side]), ...(withRatio ? ["ratio"] : [])];
  const line = (label: string, cells: readonly string[]) =>
    (label.padEnd(width) + cells.map((cell) => cell.padStart(10)).join("")).trimEnd();
  return [
    line("", heads),
    ...rows.map(({ label, values, digits = 0 }) => {
      if (values === undefined) return label;
      const cells = sides.map((side) => figure(values.get(side) ?? null, digits));
      return line(label, withRatio ? [...cells, ratio(values)] : cells);
    }),
  ];
}

/** Sluice over Postfix. */
function ratio(values: ReadonlyMap<Side, number | null>): string {
  const postfix = values.get("postfix") ?? null;
  const sluice = values.get("sluice") ?? null;
  if (postfix === null || sluice === null || postfix <= 0) return "–";
  return `${(sluice / postfix).toFixed(2)}×`;
}

function figure(value: number | null, digits: number): string {
  if (value === null) return "–";
  return value.toLocaleString("en-GB", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
