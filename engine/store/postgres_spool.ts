/**
 * The spool on Postgres, real or embedded. A batch of small messages is one INSERT statement, hence one
 * round trip; large bodies go by binary COPY, which spares both sides the hexadecimal form. Bodies live
 * in a ring of tables, see `bodiesSlot`.
 */
import type postgres from "postgres";
import { type DeliveryId, type QueueId, splitDeliveryId } from "../mail/queue_id.ts";
import {
  deliveryId,
  firstDecimalAt,
  queueIdFromDecimal,
  queueIdToDecimal,
} from "../mail/queue_id.ts";
import { bodiesSlot, HELD_SLOT, purgeBodies } from "./postgres_bodies.ts";
import { asStoreError, inTransaction } from "./postgres_client.ts";
import { StoreUnavailableError } from "./errors.ts";
import { CopyRows } from "./postgres_copy.ts";
import type {
  AcceptedMessage,
  Lease,
  LeasedDelivery,
  PendingDelivery,
  PendingPage,
  QueueDepth,
  Settlement,
  Spool,
} from "./spool.ts";
import * as statements from "./postgres_spool_statements.ts";

/** Mean octets of a batch's messages from which COPY costs less than hexadecimal parameters. */
const COPY_FROM_OCTETS = 16 * 1024;
/** What a row of COPY takes besides its body. */
const ROW_OCTETS = 32;

export function postgresSpool(sql: postgres.Sql): Spool {
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw asStoreError(error);
    }
  };
  const commit = async (messages: readonly AcceptedMessage[]) => {
    const octets = messages.reduce((sum, message) => sum + message.octets.length, 0);
    if (octets < COPY_FROM_OCTETS * messages.length) await insertAll(sql, messages);
    else if (messages.length > 0) {
      await inTransaction(sql, (tx, isLost) => copyAll(tx, { messages, isLost }));
    }
  };
  return {
    commit: (messages) => guarded(() => commit(messages)),
    claim: (ids, lease) => guarded(() => claim(sql, ids, lease)),
    read: (messages) => guarded(() => read(sql, messages)),
    settle: (settlements, { owner, reports }) =>
      guarded(async () => {
        if (reports.length === 0) await settle(sql, settlements, owner);
        else {
          await inTransaction(sql, async (tx) => {
            await settle(tx, settlements, owner);
            const fresh = await notYetThere(tx, reports);
            if (fresh.length > 0) await insertAll(tx, fresh);
          });
        }
      }),
    abandon: (ownerPrefix) => guarded(() => abandon(sql, ownerPrefix)),
    pending: (page) => guarded(() => pending(sql, page)),
    depth: () => guarded(() => depth(sql)),
    forget: (beforeMs) => guarded(() => forget(sql, beforeMs)),
    purge: (nowMs) => guarded(() => purgeBodies(sql, nowMs)),
  };
}

function isHeld({ hold = null }: AcceptedMessage): boolean {
  return hold !== null;
}

function batchKind(messages: readonly AcceptedMessage[]): statements.BatchKind {
  return { hasHeld: messages.some(isHeld) };
}

function slotOf(message: AcceptedMessage): number {
  return isHeld(message) ? HELD_SLOT : bodiesSlot(message.id);
}

/** The rows of messages and deliveries as JSON, the cheapest parameter to make and to take apart. */
function envelopeRows(messages: readonly AcceptedMessage[]): [string, string] {
  const rows = [];
  const deliveries = [];
  for (const message of messages) {
    const id = queueIdToDecimal(message.id);
    // What is undefined is not written, so that the rows of ordinary mail stay short.
    const hold = message.hold ?? undefined;
    rows.push({
      id,
      at: message.acceptedAtMs,
      rp: message.reversePath,
      bt: message.bodyType,
      u8: message.smtpUtf8,
      ca: message.clientAddress,
      hn: message.heloName,
      pr: message.protocol,
      sz: message.octets.length,
      hc: hold && message.recipients.length,
      hr: hold?.reason,
      he: hold?.explanation,
      hu: hold?.untilMs,
    });
    for (let n = 0; n < message.recipients.length; n++) {
      const { forwardPath, transport, destination } = message.recipients[n]!;
      deliveries.push({
        id,
        n,
        fp: forwardPath,
        tr: transport,
        de: destination,
        at: message.acceptedAtMs,
        he: hold && true,
      });
    }
  }
  return [jsonParameter(rows), jsonParameter(deliveries)];
}

/**
 * JSON that Postgres can hold. NUL and halves of characters, which it cannot, become U+FFFD: whoever gets
 * such text past the checks at the door spoils their own record and nobody else's in the batch.
 */
function jsonParameter(rows: readonly unknown[]): string {
  const json = JSON.stringify(rows);
  // Well-formed text has no need of an escape with a code, save for control characters.
  if (!json.includes("\\u")) return json;
  return JSON.stringify(
    rows,
    (_, value) =>
      typeof value === "string" ? value.replaceAll("\0", "\ufffd").toWellFormed() : value,
  );
}

/** Reports that a settlement asked for again has not queued before. */
async function notYetThere(
  tx: postgres.ISql,
  reports: readonly AcceptedMessage[],
): Promise<readonly AcceptedMessage[]> {
  const ids = reports.map(({ id }) => queueIdToDecimal(id));
  const rows = await tx.unsafe<{ id: string }[]>(statements.EXISTING_MESSAGES, [
    `{${ids.join(",")}}`,
  ], { prepare: true });
  const existing = new Set(rows.map(({ id }) => id));
  return existing.size === 0 ? reports : reports.filter((_, i) => !existing.has(ids[i]));
}

async function insertAll(sql: postgres.ISql, messages: readonly AcceptedMessage[]): Promise<void> {
  const parameters: (string | number | Uint8Array)[] = envelopeRows(messages);
  for (const message of messages) {
    parameters.push(slotOf(message), queueIdToDecimal(message.id), message.octets);
  }
  const text = statements.insertMessages(messages.length, batchKind(messages));
  await sql.unsafe(text, parameters, { prepare: true });
}

async function copyAll(
  sql: postgres.ISql,
  { messages, isLost }: {
    readonly messages: readonly AcceptedMessage[];
    readonly isLost: () => boolean;
  },
): Promise<void> {
  const sizeOctets = messages.reduce((sum, { octets }) => sum + octets.length + ROW_OCTETS, 0);
  const rows = new CopyRows(sizeOctets);
  for (const message of messages) {
    const decimal = BigInt(queueIdToDecimal(message.id));
    rows.row(3).int2(slotOf(message)).int8({
      high: Number(decimal >> 32n),
      low: Number(decimal & 0xffffffffn),
    }).bytea(message.octets);
  }
  const stream = await sql.unsafe(statements.COPY_BODIES).writable();
  stream.on("error", () => {});
  await new Promise<void>((resolve) => stream.write(rows.finish(), () => resolve()));
  stream.end();
  // The library never tells of an error behind the end of a COPY, so its finish is not waited for: a
  // failed COPY spoils the transaction, and with it the next statement.
  await new Promise((resolve) => setImmediate(resolve));
  if (isLost()) throw new StoreUnavailableError("the database went away amid a message");
  const text = statements.insertEnvelopes(batchKind(messages));
  await sql.unsafe(text, envelopeRows(messages), { prepare: true });
}

interface LeasedRow {
  message_id: string;
  recipient: number;
  forward_path: string;
  transport: "local" | "smtp";
  destination: string;
  attempts: number;
  was_leased: boolean;
  queued_at_ms: number;
  reverse_path: string;
  body_type: "7bit" | "8bitmime";
  smtp_utf8: boolean;
  size_octets: number;
}

async function claim(
  sql: postgres.Sql,
  ids: readonly DeliveryId[],
  lease: Lease,
): Promise<readonly LeasedDelivery[]> {
  if (ids.length === 0) return [];
  const messages = new Map<string, QueueId>();
  const messageIds: string[] = [];
  const recipients: number[] = [];
  // In id order, so that two claims of the same rows do not lock each other out.
  for (const id of [...ids].sort()) {
    const { message, recipient } = splitDeliveryId(id);
    const decimal = queueIdToDecimal(message);
    messages.set(decimal, message);
    messageIds.push(decimal);
    recipients.push(recipient);
  }
  const rows = await sql.unsafe<LeasedRow[]>(statements.CLAIM, [
    `{${messageIds.join(",")}}`,
    `{${recipients.join(",")}}`,
    lease.owner,
    lease.nowMs,
    lease.untilMs,
  ], { prepare: true });
  return rows.map((row) => {
    const message = messages.get(row.message_id)!;
    return {
      id: deliveryId(message, row.recipient),
      message,
      forwardPath: row.forward_path,
      transport: row.transport,
      destination: row.destination,
      attempts: row.attempts,
      wasLeased: row.was_leased,
      queuedAtMs: row.queued_at_ms,
      reversePath: row.reverse_path,
      bodyType: row.body_type,
      smtpUtf8: row.smtp_utf8,
      sizeOctets: row.size_octets,
    };
  });
}

async function read(
  sql: postgres.Sql,
  messages: readonly QueueId[],
): Promise<ReadonlyMap<QueueId, Uint8Array>> {
  const found = new Map<QueueId, Uint8Array>();
  if (messages.length === 0) return found;
  const names = new Map(messages.map((id) => [queueIdToDecimal(id), id]));
  const rows = await sql.unsafe<{ id: string; octets: Uint8Array }[]>(statements.READ_BODIES, [
    `{${[...names.keys()].join(",")}}`,
  ], { prepare: true });
  for (const { id, octets } of rows) found.set(names.get(id)!, octets);
  return found;
}

async function settle(
  sql: postgres.ISql,
  settlements: readonly Settlement[],
  owner: string,
): Promise<void> {
  if (settlements.length === 0) return;
  const byDelivery = new Map<DeliveryId, Settlement>();
  for (const settlement of settlements) {
    const known = byDelivery.get(settlement.id);
    // Of two outcomes for one delivery, the final one counts.
    if (known === undefined || !isFinal(known)) byDelivery.set(settlement.id, settlement);
  }
  const rows = [...byDelivery.values()].map((settlement) => {
    const { message, recipient } = splitDeliveryId(settlement.id);
    const id = queueIdToDecimal(message);
    if (settlement.outcome === "released") {
      return { id, n: recipient, oc: "released", na: settlement.nextAttemptAtMs };
    }
    const { attempt } = settlement;
    return {
      id,
      n: recipient,
      oc: settlement.outcome,
      na: settlement.outcome === "deferred" ? settlement.nextAttemptAtMs : null,
      sa: attempt.startedAtMs,
      ea: attempt.endedAtMs,
      mx: attempt.mxHost,
      ra: attempt.remoteAddress,
      tls: attempt.tls,
      es: attempt.enhancedStatus,
      di: attempt.diagnostic,
    };
  });
  await sql.unsafe(statements.SETTLE, [jsonParameter(rows), owner], { prepare: true });
}

function isFinal({ outcome }: Settlement): boolean {
  return outcome === "delivered" || outcome === "failed";
}

interface PendingRow {
  message_id: string;
  recipient: number;
  destination: string;
  next_attempt_at_ms: number;
}

async function abandon(
  sql: postgres.Sql,
  ownerPrefix: string,
): Promise<readonly PendingDelivery[]> {
  const rows = await sql.unsafe<PendingRow[]>(statements.ABANDON, [ownerPrefix], { prepare: true });
  return rows.map(pendingOf);
}

async function pending(
  sql: postgres.Sql,
  page: PendingPage,
): Promise<readonly PendingDelivery[]> {
  const after = page.after === null ? null : splitDeliveryId(page.after);
  const rows = await sql.unsafe<PendingRow[]>(statements.PENDING, [
    after ? queueIdToDecimal(after.message) : "0",
    after ? after.recipient : -1,
    page.dueBeforeMs,
    page.limit,
  ], { prepare: true });
  return rows.map(pendingOf);
}

function pendingOf(row: PendingRow): PendingDelivery {
  return {
    id: deliveryId(queueIdFromDecimal(row.message_id), row.recipient),
    destination: row.destination,
    nextAttemptAtMs: row.next_attempt_at_ms,
  };
}

async function forget(sql: postgres.Sql, beforeMs: number): Promise<number> {
  const [row] = await sql.unsafe<{ count: number }[]>(statements.FORGET, [
    firstDecimalAt(beforeMs),
  ], { prepare: true });
  return row.count;
}

async function depth(sql: postgres.Sql): Promise<QueueDepth> {
  const counts = { queued: 0, leased: 0, deferred: 0, held: 0 };
  for (
    const { state, count } of await sql.unsafe<{ state: string; count: number }[]>(
      statements.DEPTH,
      [],
      { prepare: true },
    )
  ) {
    if (state in counts) counts[state as keyof QueueDepth] = count;
  }
  return counts;
}
