import assert from "node:assert/strict";
import type { CpuGroup, RunResult, Sample, Side } from "./measurement.ts";
import { renderPlot } from "./plot.ts";
import { renderReport } from "./report.ts";
import { summarize } from "./summary.ts";

const groups: Record<CpuGroup, number> = {
  server: 0.4,
  filter: 0,
  postgres: 0.1,
  redis: 0,
  dns: 0,
  load: 0.05,
  sink: 0,
  harness: 0,
};

function throughput(side: Side, round: number, ratePerSecond: number, idleCores = 0): Sample {
  return {
    kind: "throughput",
    scenario: "a",
    side,
    round,
    sessions: 20,
    messages: 1000,
    seconds: 1,
    ratePerSecond,
    acceptedPerSecond: ratePerSecond,
    cpu: { machineMs: 1000 / ratePerSecond, groupsMs: groups, idleCores },
  };
}

function latency(side: Side, p99: number): Sample {
  const percentiles = { count: 9, p50: 1, p95: 2, p99, max: 99 };
  return {
    kind: "latency",
    scenario: "a",
    side,
    round: 1,
    pacedPerSecond: 500,
    sentPerSecond: 500,
    latencyMs: percentiles,
    behindScheduleMs: percentiles,
  };
}

function resultOf(samples: readonly Sample[], sides: readonly Side[]): RunResult {
  return {
    startedAt: "2030-01-02T03:04:05.000Z",
    tookSeconds: 1,
    rounds: 3,
    secondsPerRun: 4,
    embeddedStores: false,
    machine: {
      cores: 2,
      cpuModel: "Fast & <Small>",
      memoryMib: 24_000,
      kernel: "6.1",
      fileSystem: "ext4",
      toolCeilingPerSecond: 18_000,
      loadTool: "smtp-source",
      versions: { deno: "2" },
      commit: "0",
    },
    sides,
    samples,
    failures: [{ side: "sluice", scenario: "d", reason: "refused" }],
  };
}

const both: readonly Sample[] = [
  ...[900, 1000, 5000].map((rate, i) => throughput("postfix", i + 1, rate)),
  ...[2000, 3000, 3100].map((rate, i) => throughput("sluice", i + 1, rate)),
  latency("postfix", 80),
  latency("sluice", 8),
];

Deno.test("summarize: takes the median over rounds, of one side only", () => {
  assert.equal(summarize(both, "postfix").loads.a.ratePerSecond, 1000);
  assert.equal(summarize(both, "sluice").loads.a.ratePerSecond, 3000);
  assert.equal(summarize(both, "sluice").loads.c.ratePerSecond, null);
});

Deno.test("renderReport: shows both sides and Sluice over Postfix", () => {
  const lines = renderReport(resultOf(both, ["postfix", "sluice"])).split("\n");
  const rate = lines.find((line) => line.includes("messages/s") && line.includes("×"));
  assert.match(rate ?? "", /1,000 +3,000 +3\.00×$/);
  const slowest = lines.find((line) => line.includes("p99 ms"));
  assert.match(slowest ?? "", /80\.0 +8\.0 +0\.10×$/);
});

Deno.test("renderReport: leaves out scenarios and groups without a figure", () => {
  const report = renderReport(resultOf(both, ["postfix", "sluice"]));
  assert.doesNotMatch(report, /end to end/);
  assert.doesNotMatch(report, /redis/);
  assert.match(report, /postgres/);
});

Deno.test("renderReport: one side alone has no ratio", () => {
  const report = renderReport(resultOf(both, ["sluice"]));
  assert.doesNotMatch(report, /ratio/);
  assert.match(report, /messages\/s +3,000\n/);
});

Deno.test("renderReport: names what failed", () => {
  assert.match(renderReport(resultOf(both, ["sluice"])), /FAILED Sluice, d: refused/);
});

Deno.test("renderReport: cautions when the machine was busy with something else", () => {
  const busy = [throughput("sluice", 1, 100, 1.5)];
  assert.match(
    renderReport(resultOf(busy, ["sluice"])),
    /CAUTION other work kept up to 1\.50 cores/,
  );
  assert.doesNotMatch(renderReport(resultOf(both, ["sluice"])), /CAUTION/);
});

Deno.test("renderPlot: the greatest bar fills the panel and others keep proportion", () => {
  const svg = renderPlot(resultOf(both, ["postfix", "sluice"]));
  const bars = [...svg.matchAll(/<rect class="(\w+)" x="270" y="[\d.]+" width="([\d.]+)"/g)];
  const [postfix, sluice] = bars.slice(0, 2).map(([, , width]) => Number(width));
  assert.equal(sluice, 400);
  assert.ok(Math.abs(postfix / sluice - 1 / 3) < 0.01);
});

Deno.test("renderPlot: is well-formed, escaped and aware of dark pages", () => {
  const svg = renderPlot(resultOf(both, ["postfix", "sluice"]));
  assert.match(svg, /Fast &amp; &lt;Small&gt;/);
  assert.match(svg, /prefers-color-scheme: dark/);
  const opened = [...svg.matchAll(/<(\w+)[^>]*[^/]>/g)].length;
  const closed = [...svg.matchAll(/<\/\w+>/g)].length;
  assert.equal(opened, closed);
});

Deno.test("renderPlot: a side that was not measured is said to be so, not drawn as zero", () => {
  const svg = renderPlot(resultOf(both.slice(0, 3), ["postfix", "sluice"]));
  assert.match(svg, /not measured/);
});
