import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { until } from "../../tests/fixtures/process.ts";
import { MaintenanceSchedule, VACUUM_CANDIDATE } from "./pglite_maintenance.ts";

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

Deno.test("VACUUM_CANDIDATE: names the table with dead rows until it is vacuumed", async () => {
  await using embedded = await embeddedPostgres();
  await using sql = client(embedded.target);
  await sql`CREATE TABLE "Dead" (n int)`;
  await sql`CREATE TABLE left_alone (n int) WITH (autovacuum_enabled = false)`;
  await sql`INSERT INTO "Dead" SELECT generate_series(1, 20000)`;
  await sql`INSERT INTO left_alone SELECT generate_series(1, 30000)`;
  await sql`DELETE FROM left_alone`;
  await sql`DELETE FROM "Dead"`;
  const candidate = async () => (await sql.unsafe(VACUUM_CANDIDATE))[0]?.format;
  const statement = 'VACUUM (ANALYZE, FREEZE false) public."Dead"';
  await until(async () => await candidate() === statement);
  await sql.unsafe(statement).simple();
  await until(async () => await candidate() !== statement);
  const [{ vacuumed }] = await sql`
    SELECT last_vacuum IS NOT NULL AS vacuumed FROM pg_stat_user_tables WHERE relname = 'Dead'`;
  assert.equal(vacuumed, true);
});
