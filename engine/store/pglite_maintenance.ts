/**
 * What Postgres' background processes would do and PGlite has none of: checkpoints, without which the
 * write-ahead log grows for ever, and vacuuming, without which dead rows do. Decides when; the server
 * runs it in a turn of its own. One table at a time, so that clients wait for one at the most.
 */

/** Input after which a checkpoint is due; rows travel as hex, so the log grows by about half of it. */
const CHECKPOINT_INPUT_OCTETS = 256 * 1024 * 1024;
const CHECKPOINT_INTERVAL_MS = 300_000;
const VACUUM_INTERVAL_MS = 60_000;

/**
 * Answers the statement to run, since VACUUM cannot run inside a function: for the table that needs it
 * most by Postgres' own thresholds, or for one whose transaction ids grow old.
 */
export const VACUUM_CANDIDATE = `
  SELECT format('VACUUM (ANALYZE, FREEZE %s) %I.%I', ageing::text, nspname, relname)
  FROM (
    SELECT age(c.relfrozenxid) > 100000000 AS ageing, n.nspname, c.relname, s.n_dead_tup,
      NOT coalesce('autovacuum_enabled=false' = ANY (c.reloptions), false) AND (
        s.n_dead_tup > 500 + 0.2 * s.n_live_tup
        OR s.n_mod_since_analyze > 500 + 0.2 * s.n_live_tup
        OR s.n_ins_since_vacuum > 10000 + 0.2 * s.n_live_tup) AS stale
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    WHERE c.relkind = 'r' AND c.relpersistence = 'p') tables
  WHERE ageing OR stale
  ORDER BY ageing DESC, n_dead_tup DESC NULLS LAST
  LIMIT 1`;

export type Chore = "checkpoint" | "vacuum";

export class MaintenanceSchedule {
  #inputOctets = 0;
  #checkpointAtMs: number;
  #vacuumAtMs: number;

  constructor(nowMs: number) {
    this.#checkpointAtMs = nowMs + CHECKPOINT_INTERVAL_MS;
    this.#vacuumAtMs = nowMs + VACUUM_INTERVAL_MS;
  }

  /** True when a checkpoint is due for the amount written. */
  ran(inputOctets: number): boolean {
    this.#inputOctets += inputOctets;
    return this.#inputOctets >= CHECKPOINT_INPUT_OCTETS;
  }

  /** What to do now; the answer counts as done. */
  due(nowMs: number): Chore | null {
    const written = this.#inputOctets >= CHECKPOINT_INPUT_OCTETS;
    if (written || (nowMs >= this.#checkpointAtMs && this.#inputOctets > 0)) {
      this.#inputOctets = 0;
      this.#checkpointAtMs = nowMs + CHECKPOINT_INTERVAL_MS;
      return "checkpoint";
    }
    if (nowMs >= this.#vacuumAtMs) {
      this.#vacuumAtMs = nowMs + VACUUM_INTERVAL_MS;
      return "vacuum";
    }
    return null;
  }
}
