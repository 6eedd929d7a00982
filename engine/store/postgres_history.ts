/** The history on Postgres. */
import type postgres from "postgres";
import { deliveryId, queueIdFromDecimal, queueIdToDecimal } from "../mail/queue_id.ts";
import type { History, Trace, TracedAttempt, TracedHold } from "./history.ts";
import { asStoreError } from "./postgres_client.ts";

/** Does not own `sql`. */
export function postgresHistory(sql: postgres.Sql): History {
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw asStoreError(error);
    }
  };
  return {
    queue: ({ limit }) => guarded(() => queue(sql, limit)),
    held: () => guarded(() => held(sql)),
    trace: (id) => guarded(() => trace(sql, queueIdToDecimal(id))),
  };
}

const ms = (date: Date) => date.getTime();

async function queue(sql: postgres.Sql, limit: number) {
  const rows = await sql`
    SELECT d.message_id, d.recipient, m.reverse_path, d.forward_path, d.state, d.attempts,
      m.accepted_at, d.next_attempt_at, m.size_octets, (
        SELECT a.diagnostic FROM attempts a
        WHERE a.message_id = d.message_id AND a.recipient = d.recipient
        ORDER BY a.attempt DESC LIMIT 1) AS diagnostic
    FROM deliveries d JOIN messages m ON m.id = d.message_id
    WHERE d.finished_at IS NULL
    ORDER BY d.message_id, d.recipient
    LIMIT ${limit}`;
  return rows.map((row) => ({
    id: deliveryId(queueIdFromDecimal(row.message_id), row.recipient),
    reversePath: row.reverse_path,
    forwardPath: row.forward_path,
    state: row.state,
    attempts: row.attempts,
    acceptedAtMs: ms(row.accepted_at),
    nextAttemptAtMs: ms(row.next_attempt_at),
    sizeOctets: row.size_octets,
    diagnostic: row.diagnostic,
  }));
}

async function held(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    SELECT count(*)::integer AS count FROM quarantine WHERE decision IS NULL`;
  return row.count;
}

async function trace(sql: postgres.Sql, decimal: string): Promise<Trace | null> {
  const [message] = await sql`SELECT * FROM messages WHERE id = ${decimal}::bigint`;
  if (message === undefined) return null;
  const deliveries = await sql`
    SELECT recipient, forward_path, state, finished_at, next_attempt_at FROM deliveries
    WHERE message_id = ${decimal}::bigint ORDER BY recipient`;
  const attempts = await sql`
    SELECT * FROM attempts WHERE message_id = ${decimal}::bigint ORDER BY recipient, attempt`;
  const [hold] = await sql`SELECT * FROM quarantine WHERE message_id = ${decimal}::bigint`;
  const byRecipient = Map.groupBy(attempts, (row) => row.recipient as number);
  return {
    id: queueIdFromDecimal(decimal),
    acceptedAtMs: ms(message.accepted_at),
    reversePath: message.reverse_path,
    clientAddress: message.client_address,
    heloName: message.helo_name,
    protocol: message.protocol,
    sizeOctets: message.size_octets,
    hold: hold === undefined ? null : holdOf(hold),
    deliveries: deliveries.map((row) => ({
      recipient: row.recipient,
      forwardPath: row.forward_path,
      state: row.state,
      nextAttemptAtMs: row.finished_at === null ? ms(row.next_attempt_at) : null,
      attempts: (byRecipient.get(row.recipient) ?? []).map(attemptOf),
    })),
  };
}

function holdOf(row: postgres.Row): TracedHold {
  return {
    reason: row.reason,
    explanation: row.explanation,
    untilMs: ms(row.until),
    decision: row.decision,
    decidedAtMs: row.decided_at === null ? null : ms(row.decided_at),
  };
}

function attemptOf(row: postgres.Row): TracedAttempt {
  return {
    attempt: row.attempt,
    startedAtMs: ms(row.started_at),
    endedAtMs: ms(row.ended_at),
    outcome: row.outcome,
    mxHost: row.mx_host,
    remoteAddress: row.remote_address,
    tls: row.tls,
    enhancedStatus: row.enhanced_status,
    diagnostic: row.diagnostic,
  };
}
