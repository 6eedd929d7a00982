import assert from "node:assert/strict";
import { MaintenanceSchedule } from "./pglite_maintenance.ts";

const MIB = 1024 * 1024;

Deno.test("MaintenanceSchedule: a checkpoint is due after much input, or in time after any", () => {
  const schedule = new MaintenanceSchedule(0);
  assert.equal(schedule.due(1_000), null);
  assert.equal(schedule.ran(255 * MIB), false);
  assert.equal(schedule.ran(MIB), true);
  assert.equal(schedule.due(1_000), "checkpoint");
  assert.equal(schedule.due(1_000), null);
  schedule.ran(1);
  assert.equal(schedule.due(400_000), "checkpoint");
});

Deno.test("MaintenanceSchedule: an idle database is vacuumed and not checkpointed", () => {
  const schedule = new MaintenanceSchedule(0);
  assert.equal(schedule.due(600_000), "vacuum");
  assert.equal(schedule.due(600_000), null);
});
