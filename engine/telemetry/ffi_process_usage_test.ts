import assert from "node:assert/strict";
import { openProcessMeter } from "./ffi_process_usage.ts";

Deno.test("openProcessMeter: counts descriptors as they open and close", () => {
  using meter = openProcessMeter();
  const count = () => meter.read().openDescriptors ?? NaN;
  const before = count();
  assert.ok(before >= 3);
  // Tests of other files may open some of their own meanwhile.
  const path = Deno.makeTempFileSync();
  const files = Array.from({ length: 300 }, () => Deno.openSync(path));
  const opened = count();
  for (const file of files) file.close();
  Deno.removeSync(path);
  assert.ok(opened - before > 200, `${before}, then ${opened}`);
  assert.ok(opened - count() > 200);
});

Deno.test("openProcessMeter: reads processor time and memory", () => {
  using meter = openProcessMeter();
  const before = meter.read();
  const deadlineMs = performance.now() + 30;
  while (performance.now() < deadlineMs);
  const after = meter.read();
  assert.ok(after.cpuUserMicroseconds > before.cpuUserMicroseconds);
  assert.ok(after.residentOctets > 10_000_000);
});
