import assert from "node:assert/strict";
import type { Declaration } from "./instrument.ts";
import { METRICS, metricsTable } from "./metrics_catalog.ts";

const declared: readonly Declaration[] = Object.values(METRICS);

Deno.test("METRICS: each has a name of its own, a help and a reading", () => {
  assert.equal(new Set(declared.map(({ name }) => name)).size, declared.length);
  for (const { name, kind, help, reading } of declared) {
    assert.match(name, /^smtp_[a-z]+(_[a-z]+)*$/);
    assert.equal(name.endsWith("_total"), kind === "counter", name);
    assert.match(help, /^[A-Z].{10,}\.$/, name);
    assert.match(reading, /^.{20,}\.$/, name);
  }
});

Deno.test("METRICS: no metric has more than a hundred series", () => {
  for (const { name, labels, buckets } of declared) {
    const combinations = Object.values(labels).reduce((all, { length }) => all * length, 1);
    assert.ok(combinations <= 100, `${name}: ${combinations}`);
    assert.deepEqual([...buckets], [...buckets].sort((a, b) => a - b), name);
  }
});

Deno.test("metricsTable: a row for each metric, five cells each", () => {
  const rows = metricsTable().split("\n").slice(2);
  assert.equal(rows.length, declared.length);
  for (const row of rows) assert.equal(row.split(" | ").length, 5, row);
});
