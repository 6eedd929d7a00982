/** The quarantine on Postgres. */
import type postgres from "postgres";
import {
  deliveryId,
  type QueueId,
  queueIdFromDecimal,
  queueIdToDecimal,
} from "../mail/queue_id.ts";
import { guarded } from "./postgres_guarded.ts";
import * as statements from "./postgres_quarantine_statements.ts";
import type { HeldMessage, HeldPage, Quarantine } from "./quarantine.ts";
import type { PendingDelivery } from "./spool.ts";

/** Messages given up in one call of `expire`. */
const EXPIRED_AT_ONCE = 500;

/** Does not own `sql`. */
export function postgresQuarantine(sql: postgres.Sql): Quarantine {
  return {
    list: (page) => guarded(() => list(sql, page)),
    show: (id) => guarded(() => show(sql, id)),
    read: (id) => guarded(() => read(sql, id)),
    release: (ids, nowMs) => guarded(() => release(sql, ids, nowMs)),
    discard: (ids, nowMs) =>
      guarded(async () => {
        const rows = await sql.unsafe<{ id: string }[]>(
          statements.DISCARD,
          [literal(ids), nowMs],
          PREPARED,
        );
        return rows.map(({ id }) => queueIdFromDecimal(id));
      }),
    expire: (nowMs) =>
      guarded(async () =>
        (await sql.unsafe(statements.EXPIRE, [nowMs, EXPIRED_AT_ONCE], PREPARED)).length
      ),
  };
}

const PREPARED = { prepare: true };

function literal(ids: readonly QueueId[]): string {
  return `{${ids.map(queueIdToDecimal).join(",")}}`;
}

interface HeldRow {
  readonly id: string;
  readonly reason: string;
  readonly explanation: string;
  readonly until: Date;
  readonly accepted_at: Date;
  readonly reverse_path: string;
  readonly client_address: string;
  readonly helo_name: string;
  readonly size_octets: number;
  readonly recipients: string[];
  readonly head: Uint8Array | null;
}

function heldMessage(row: HeldRow): HeldMessage {
  return {
    id: queueIdFromDecimal(row.id),
    acceptedAtMs: row.accepted_at.getTime(),
    reversePath: row.reverse_path,
    recipients: row.recipients,
    clientAddress: row.client_address,
    heloName: row.helo_name,
    sizeOctets: row.size_octets,
    reason: row.reason,
    explanation: row.explanation,
    untilMs: row.until.getTime(),
    head: row.head ?? new Uint8Array(0),
  };
}

async function list(sql: postgres.Sql, page: HeldPage): Promise<readonly HeldMessage[]> {
  const { recipient, sender, reason, before, limit } = page;
  const rows = await sql.unsafe<HeldRow[]>(statements.LIST, [
    recipient,
    sender,
    reason,
    before === null ? null : queueIdToDecimal(before),
    limit,
  ], PREPARED);
  return rows.map(heldMessage);
}

async function show(sql: postgres.Sql, id: QueueId): Promise<HeldMessage | null> {
  const [row] = await sql.unsafe<HeldRow[]>(statements.SHOW, [queueIdToDecimal(id)], PREPARED);
  return row === undefined ? null : heldMessage(row);
}

async function read(sql: postgres.Sql, id: QueueId): Promise<Uint8Array | null> {
  const [row] = await sql.unsafe<{ octets: Uint8Array }[]>(
    statements.READ,
    [queueIdToDecimal(id)],
    PREPARED,
  );
  return row?.octets ?? null;
}

async function release(
  sql: postgres.Sql,
  ids: readonly QueueId[],
  nowMs: number,
): Promise<readonly PendingDelivery[]> {
  const rows = await sql.unsafe<
    {
      message_id: string;
      recipient: number;
      destination: string;
      next_attempt_at_ms: number;
    }[]
  >(statements.RELEASE, [literal(ids), nowMs], PREPARED);
  return rows.map((row) => ({
    id: deliveryId(queueIdFromDecimal(row.message_id), row.recipient),
    destination: row.destination,
    nextAttemptAtMs: row.next_attempt_at_ms,
  }));
}
