import assert from "node:assert/strict";
import { deliveryId, type QueueId, queueIdGenerator } from "../mail/queue_id.ts";
import { type DispatchEntry, shardOf, SHARDS } from "../store/dispatch.ts";
import { memoryDispatch } from "../store/memory_dispatch.ts";
import { postgresHistory } from "../store/postgres_history.ts";
import { migrate } from "../store/postgres_migrate.ts";
import { postgresQuarantine } from "../store/postgres_quarantine.ts";
import { postgresSpool } from "../store/postgres_spool.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { Housekeeper } from "./housekeeper.ts";

const MINUTE_MS = 60_000;
const DOMAIN = "example.org";
const SHARD = shardOf(DOMAIN);
const READING = { consumer: "test", maxEntries: 1_000, waitMs: 0 };

function message(id: QueueId, acceptedAtMs: number): AcceptedMessage {
  return {
    id,
    acceptedAtMs,
    reversePath: "ann@example.org",
    bodyType: "7bit",
    smtpUtf8: false,
    clientAddress: "192.0.2.1",
    heloName: "client.example",
    protocol: "ESMTP",
    octets: new TextEncoder().encode("Subject: x\r\n\r\nx\r\n"),
    recipients: [{ forwardPath: `bob@${DOMAIN}`, transport: "smtp", destination: DOMAIN }],
  };
}

function messagesOf(entries: readonly DispatchEntry[]): string[] {
  return entries.flatMap(({ ids }) => ids.map((id) => id.slice(0, 13)));
}

Deno.test("Housekeeper", async (test) => {
  await using embedded = await embeddedPostgres();
  await using sql = client(embedded.target);
  await migrate(sql);
  const spool = postgresSpool(sql);
  const startMs = Date.now();
  let nowMs = startMs;
  const now = () => nowMs;
  const newQueueId = queueIdGenerator({ generator: 1, now });
  const counts: string[] = [];
  const quarantine = postgresQuarantine(sql);
  const calls: number[] = [];
  const forgotten: number[] = [];
  await using dispatch = memoryDispatch({ now });
  using housekeeper = new Housekeeper({
    spool,
    dispatch,
    quarantine: {
      expire: async (atMs) => {
        const count = await quarantine.expire(atMs);
        calls.push(count);
        return count;
      },
    },
    dmarcReports: {
      forget: (beforeMs) => {
        forgotten.push(beforeMs);
        return Promise.resolve(forgotten.length === 1 ? 200 : 0);
      },
    },
    historyMs: MINUTE_MS,
    now,
    onError: (context, error) => assert.fail(`${context}: ${error}`),
    onRequeued: (reason, count) => counts.push(`${reason} ${count}`),
  });

  await test.step("sweep: tells of the forgotten while newer mail waits all the time", async () => {
    const forgotten = newQueueId();
    await spool.commit([message(forgotten, nowMs)]);
    nowMs += MINUTE_MS;
    const waiting = newQueueId();
    await spool.commit([message(waiting, nowMs)]);
    await dispatch.enqueue([{ id: deliveryId(waiting, 0), shard: SHARD }]);
    await housekeeper.sweep();
    assert.deepEqual(counts.splice(0), ["overdue 1"]);
    // Told once, not again while it waits to be read.
    nowMs += MINUTE_MS;
    await housekeeper.sweep();
    assert.deepEqual(counts.splice(0), []);
    assert.deepEqual(messagesOf(await dispatch.read([SHARD], READING)), [waiting, forgotten]);
  });

  await test.step("sweep: what waits in a long queue is not forgotten", async () => {
    const ids = [newQueueId(), newQueueId()];
    await spool.abandon("");
    await sql`UPDATE deliveries SET finished_at = now(), state = 'delivered'`;
    await spool.commit(ids.map((id) => message(id, nowMs)));
    await dispatch.enqueue(ids.map((id) => ({ id: deliveryId(id, 0), shard: SHARD })));
    nowMs += 10 * MINUTE_MS;
    await housekeeper.sweep();
    assert.deepEqual(counts.splice(0), []);
    await dispatch.read([SHARD], READING);
    await housekeeper.sweep();
    assert.deepEqual(counts.splice(0), ["overdue 2"]);
    await dispatch.read([SHARD], READING);
  });

  await test.step("rebuild: tells of everything, and the next sweep of nothing", async () => {
    await housekeeper.rebuild();
    assert.deepEqual(counts.splice(0), ["rebuild 2"]);
    nowMs += MINUTE_MS;
    await housekeeper.sweep();
    assert.deepEqual(counts.splice(0), []);
    await dispatch.read(Array.from({ length: SHARDS }, (_, shard) => shard), READING);
  });

  await test.step("bury: ends the leases of the dead", async () => {
    const [id] = [newQueueId()];
    await spool.commit([message(id, nowMs)]);
    const lease = { owner: "node/delivery-0/1", nowMs, untilMs: nowMs + MINUTE_MS };
    assert.equal((await spool.claim([deliveryId(id, 0)], lease)).length, 1);
    await housekeeper.bury("node/delivery-0/1");
    assert.deepEqual(counts.splice(0), ["abandoned 1"]);
    assert.deepEqual(messagesOf(await dispatch.read([SHARD], READING)), [id]);
  });

  await test.step("sweep, rebuild: tell of nothing that is held before it is released", async () => {
    await sql`TRUNCATE messages, deliveries, bodies, quarantine`;
    const id = newQueueId();
    const hold = { reason: "spam", explanation: "because", untilMs: nowMs + 60 * MINUTE_MS };
    await spool.commit([{ ...message(id, nowMs), hold }]);
    nowMs += MINUTE_MS;
    await housekeeper.sweep();
    await housekeeper.rebuild();
    assert.deepEqual(counts.splice(0), []);
    await quarantine.release([id], nowMs);
    await housekeeper.sweep();
    assert.deepEqual(counts.splice(0), ["overdue 1"]);
    assert.deepEqual(messagesOf(await dispatch.read([SHARD], READING)), [id]);
  });

  await test.step("expire: gives up what is over, until nothing is", async () => {
    const ids = [newQueueId(), newQueueId()];
    const hold = { reason: "spam", explanation: "because", untilMs: nowMs + MINUTE_MS };
    await spool.commit(ids.map((id) => ({ ...message(id, nowMs), hold })));
    await housekeeper.expire();
    nowMs += MINUTE_MS;
    await housekeeper.expire();
    assert.deepEqual(calls, [0, 2, 0]);
    assert.equal((await postgresHistory(sql).trace(ids[0]))?.hold?.decision, "expired");
  });

  await test.step("forgetReports: what is older than a year, until nothing is", async () => {
    await housekeeper.forgetReports();
    assert.equal(forgotten.length, 2);
    assert.ok(forgotten[0] < nowMs - 365 * 24 * 60 * MINUTE_MS);
  });
});
