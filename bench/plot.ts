/**
 * The picture of a run as an SVG that stands alone: no font, script or style from outside, and
 * readable on a light and on a dark page.
 */

import { loadScenarios, type RunResult, type Side } from "./measurement.ts";
import { type SideSummary, summarize } from "./summary.ts";

interface Panel {
  readonly title: string;
  readonly digits: number;
  readonly rows: readonly {
    readonly label: string;
    readonly values: ReadonlyMap<Side, number | null>;
  }[];
}

const width = 760;
const labelWidth = 270;
const barHeight = 16;
const barGap = 3;
const rowGap = 12;
const panelGap = 26;
const valueWidth = 90;

const sideNames: Readonly<Record<Side, string>> = { postfix: "Postfix", sluice: "Sluice" };

const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 14px; }
  .note { font-size: 11px; fill: #57606a; }
  .postfix { fill: #a8b1bb; }
  .sluice { fill: #1f7a8c; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9198a1; }
    .postfix { fill: #6e7781; }
    .sluice { fill: #4fb3c8; }
  }`;

/** Bars of every panel that has a figure; sides that were not measured are left out. */
export function renderPlot(result: RunResult): string {
  const sides = result.sides;
  const parts: string[] = [];
  let y = 26;
  parts.push(text({ x: 0, y, cls: "title" }, "Sluice and Postfix on one machine"));
  let legendX = width;
  for (const side of sides.toReversed()) {
    legendX -= 90;
    parts.push(rect({ x: legendX, y: y - 11, width: 12, cls: side }));
    parts.push(text({ x: legendX + 18, y }, sideNames[side]));
  }
  y += 18;
  for (const panel of panelsOf(result)) {
    y += panelGap;
    parts.push(text({ x: 0, y, cls: "title" }, panel.title));
    y += 10;
    const most = Math.max(
      ...panel.rows.flatMap((row) => [...row.values.values()].map((v) => v ?? 0)),
    );
    for (const row of panel.rows) {
      const rowHeight = sides.length * (barHeight + barGap);
      parts.push(text({ x: 0, y: y + rowHeight / 2 + 4 }, row.label));
      for (const side of sides) {
        const value = row.values.get(side) ?? null;
        const full = width - labelWidth - valueWidth;
        const length = value === null || most <= 0 ? 0 : Math.max(1, value / most * full);
        parts.push(rect({ x: labelWidth, y, width: length, cls: side }));
        const shown = value === null ? "not measured" : figure(value, panel.digits);
        parts.push(text({ x: labelWidth + length + 6, y: y + barHeight - 4 }, shown));
        y += barHeight + barGap;
      }
      y += rowGap;
    }
  }
  const { machine } = result;
  y += 16;
  const note = `${machine.cores} × ${machine.cpuModel}, Linux ${machine.kernel}, ` +
    `Deno ${machine.versions.deno ?? "?"}; ${result.startedAt.slice(0, 10)}; ` +
    `medians of ${result.rounds} ${result.rounds === 1 ? "round" : "rounds"}`;
  parts.push(text({ x: 0, y, cls: "note" }, note));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-16 0 ${width + 32} ${y + 14}" ` +
    `width="${width + 32}" role="img" aria-label="Sluice and Postfix on one machine">\n` +
    `<style>${style}\n</style>\n${parts.join("\n")}\n</svg>\n`;
}

function panelsOf(result: RunResult): readonly Panel[] {
  const summaries = new Map(result.sides.map((side) => [side, summarize(result.samples, side)]));
  const row = (label: string, read: (summary: SideSummary) => number | null) => ({
    label,
    values: new Map([...summaries].map(([side, summary]) => [side, read(summary)])),
  });
  const scenarios = Object.values(loadScenarios);
  const panels: Panel[] = [
    {
      title: "Messages a second (more is better)",
      digits: 0,
      rows: scenarios.map(({ id, title }) => row(title, (s) => s.loads[id].ratePerSecond)),
    },
    {
      title: "CPU a message in ms, whole machine (less is better)",
      digits: 2,
      rows: scenarios.map(({ id, title }) => row(title, (s) => s.loads[id].cpuMachineMs)),
    },
    {
      title: "p99 latency in ms at half of the peak (less is better)",
      digits: 1,
      rows: scenarios.map(({ id, title }) => row(title, (s) => s.loads[id].p99Ms)),
    },
    {
      title: "Memory in MiB (less is better)",
      digits: 0,
      rows: [
        row("server, idle connections", (s) => s.serverMib),
        row("with Postgres and Redis", (s) => s.withStoresMib),
      ],
    },
  ];
  return panels
    .map((panel) => ({ ...panel, rows: panel.rows.filter((r) => hasFigure(r.values)) }))
    .filter((panel) => panel.rows.length > 0);
}

function hasFigure(values: ReadonlyMap<Side, number | null>): boolean {
  return [...values.values()].some((value) => value !== null);
}

function rect(at: { x: number; y: number; width: number; cls: string }): string {
  return `<rect class="${at.cls}" x="${round(at.x)}" y="${round(at.y)}" ` +
    `width="${round(at.width)}" height="${barHeight - 2}" rx="2"/>`;
}

function text(at: { x: number; y: number; cls?: string }, content: string): string {
  const cls = at.cls === undefined ? "" : ` class="${at.cls}"`;
  return `<text${cls} x="${round(at.x)}" y="${round(at.y)}">${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function figure(value: number, digits: number): string {
  return value.toLocaleString("en-GB", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
