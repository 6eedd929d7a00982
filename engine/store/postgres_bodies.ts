/**
 * The ring of body tables. A body goes to the table of the five minutes its id was made in; a table is
 * emptied by TRUNCATE once hardly anything in it is still to deliver, and at the latest before its turn
 * comes round again. What is still needed then moves to `bodies_kept`, from which single rows are
 * deleted. So the bulk of mail, delivered at once, leaves no dead rows behind.
 */
import type postgres from "postgres";
import { firstDecimalAt, type QueueId, queueIdMs } from "../mail/queue_id.ts";
import { inTransaction } from "./postgres_client.ts";

const SLOTS = 16;
const SLOT_MS = 5 * 60_000;
/** Slots left alone behind the current one, for clocks that differ and commits that take long. */
const YOUNG_SLOTS = 2;
/** From this age a slot is emptied whatever it holds. */
const OLD_SLOTS = SLOTS - 3;
/** Bodies worth moving for the sake of emptying a slot early. */
const FEW = 1000;
/** Makes two purges exclude each other. */
const PURGE_LOCK = 4_220_250_001;

/** The slot of what was still needed when its table was emptied. */
export const KEPT_SLOT = -1;
/** Held messages are outside the ring from the beginning. */
export const HELD_SLOT = -2;

/** The ring's table for a message that is on its way. */
export function bodiesSlot(id: QueueId): number {
  return Math.floor(queueIdMs(id) / SLOT_MS) % SLOTS;
}

/** Empties what can be emptied; gives way to another node that is at it. */
export async function purgeBodies(sql: postgres.Sql, nowMs: number): Promise<void> {
  const current = Math.floor(nowMs / SLOT_MS);
  for (let age = YOUNG_SLOTS; age < SLOTS - 1; age++) {
    const slot = (current - age) % SLOTS;
    await inTransaction(sql, async (tx) => {
      await tx`SET LOCAL lock_timeout = '1s'`;
      const [lock] = await tx`SELECT pg_try_advisory_xact_lock(${PURGE_LOCK}) AS held`;
      if (!lock?.held) return;
      const table = tx(`bodies_${slot}`);
      const [first] = await tx`SELECT 1 FROM ${table} LIMIT 1`;
      if (!first) return;
      if (age < OLD_SLOTS && await unfinishedIn(tx, (current - age) * SLOT_MS) > FEW) return;
      await tx`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`;
      await tx`
        WITH needed AS MATERIALIZED (
          SELECT DISTINCT message_id AS id FROM deliveries WHERE finished_at IS NULL
        )
        INSERT INTO bodies (slot, id, octets)
        SELECT ${KEPT_SLOT}::smallint, id, octets FROM needed JOIN ${table} USING (id)
        ON CONFLICT DO NOTHING`;
      await tx`TRUNCATE ${table}`;
    }).catch(ignoreLockTimeout);
  }
  await sql`
    DELETE FROM bodies_kept b WHERE NOT EXISTS (
      SELECT FROM deliveries d WHERE d.message_id = b.id AND d.finished_at IS NULL)`;
}

/** Unfinished deliveries of messages made in the slot that begins at `startMs`, counted up to `FEW` + 1. */
async function unfinishedIn(sql: postgres.ISql, startMs: number): Promise<number> {
  const [row] = await sql`
    SELECT count(*)::integer AS count FROM (
      SELECT FROM deliveries WHERE finished_at IS NULL
        AND message_id >= ${firstDecimalAt(startMs)}::bigint AND message_id < ${
    firstDecimalAt(startMs + SLOT_MS)
  }::bigint
      LIMIT ${FEW + 1}) AS counted`;
  return row?.count ?? 0;
}

/** A reader holds the table: the next purge will come. */
function ignoreLockTimeout(error: unknown): void {
  if ((error as { code?: string }).code !== "55P03") throw error;
}
