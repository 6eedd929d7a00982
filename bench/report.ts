/** The table on the terminal. Decides how figures read, not what they are. */

import {
  type CpuGroup,
  cpuGroups,
  type LoadScenario,
  loadScenarios,
  type RunResult,
  type Side,
} from "./measurement.ts";
import { percentilesOf } from "./statistics.ts";
import { type LoadSummary, type SideSummary, summarize } from "./summary.ts";

/** A line of figures, or a heading when it has none. */
interface Row {
  readonly label: string;
  readonly values?: ReadonlyMap<Side, number | null>;
  readonly digits?: number;
  /** A condition of the measurement rather than a result: it has no ratio. */
  readonly incomparable?: boolean;
}

type Summaries = ReadonlyMap<Side, SideSummary>;

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
  const foreignCores = percentilesOf(idleCoresOf(result)).p95;
  if (foreignCores > quietCores) {
    lines.push(
      "",
      `CAUTION other work kept up to ${figure(foreignCores, 2)} cores busy between the runs: ` +
        "rates are too low, and the whole machine's CPU is a guess",
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
  const loads = Object.values(loadScenarios).flatMap((scenario) => loadRows(summaries, scenario));
  return [...loads, ...memoryRows(summaries), ...exactlyOnceRows(summaries)];
}

function loadRows(summaries: Summaries, scenario: LoadScenario): readonly Row[] {
  const { id } = scenario;
  if (!measured(summaries, (summary) => summary.loads[id].ratePerSecond)) return [];
  const row = (label: string, digits: number, read: (load: LoadSummary) => number | null) => ({
    label: `  ${label}`,
    digits,
    values: pick(summaries, (summary) => read(summary.loads[id])),
  });
  const until = scenario.until === "accepted" ? "DATA to 250" : "DATA to sink";
  return [
    { label: `${id}  ${scenario.title}` },
    row("messages/s", 0, (load) => load.ratePerSecond),
    ...(scenario.until === "arrived"
      ? [row("  accepted/s meanwhile", 0, (load) => load.acceptedPerSecond)]
      : []),
    row("CPU ms/message, whole machine", 2, (load) => load.cpuMachineMs),
    ...cpuGroups
      .filter((group) => relevant(summaries, id, group))
      .map((group) => row(`  ${group}`, 2, (load) => load.cpuGroupsMs[group])),
    row(`${until}, p50 ms`, 1, (load) => load.p50Ms),
    row("  p95 ms", 1, (load) => load.p95Ms),
    row("  p99 ms", 1, (load) => load.p99Ms),
    { ...row("  paced at messages/s", 0, (load) => load.pacedPerSecond), incomparable: true },
    { ...row("sessions of the load", 0, (load) => load.sessions), incomparable: true },
  ];
}

function memoryRows(summaries: Summaries): readonly Row[] {
  if (!measured(summaries, (summary) => summary.serverMib)) return [];
  const connections = Math.max(...[...summaries.values()].map((s) => s.idleConnections ?? 0));
  return [
    { label: `e  memory with ${figure(connections, 0)} idle connections` },
    { label: "  server, MiB", digits: 0, values: pick(summaries, (s) => s.serverMib) },
    {
      label: "  with Postgres and Redis, MiB",
      digits: 0,
      values: pick(summaries, (s) => s.withStoresMib),
    },
  ];
}

function exactlyOnceRows(summaries: Summaries): readonly Row[] {
  if (!measured(summaries, (summary) => summary.exactlyOnce?.sent ?? null)) return [];
  return [
    { label: "x  every message exactly once" },
    ...(["sent", "missing", "doubled"] as const).map((part) => ({
      label: `  ${part}`,
      digits: 0,
      values: pick(summaries, (summary) => summary.exactlyOnce?.[part] ?? null),
      incomparable: true,
    })),
  ];
}

function pick(
  summaries: Summaries,
  read: (summary: SideSummary) => number | null,
): ReadonlyMap<Side, number | null> {
  return new Map([...summaries].map(([side, summary]) => [side, read(summary)]));
}

function measured(
  summaries: Summaries,
  read: (summary: SideSummary) => number | null,
): boolean {
  return [...summaries.values()].some((summary) => read(summary) !== null);
}

/** A group that takes no part on any side, such as a sink nobody sends to, gets no line. */
function relevant(
  summaries: Summaries,
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
    ...rows.map(({ label, values, digits = 0, incomparable = false }) => {
      if (values === undefined) return label;
      const cells = sides.map((side) => figure(values.get(side) ?? null, digits));
      return line(label, withRatio ? [...cells, incomparable ? "" : ratio(values)] : cells);
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
