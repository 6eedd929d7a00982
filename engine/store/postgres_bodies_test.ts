import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type postgres from "postgres";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { type QueueId, queueIdGenerator } from "../mail/queue_id.ts";
import { bodiesSlot } from "./postgres_bodies.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { migrate } from "./postgres_migrate.ts";
import { postgresSpool } from "./postgres_spool.ts";
import type { AcceptedMessage, Spool } from "./spool.ts";
import { delivered, idsOf, leaseOf, message } from "./spool_conformance.ts";

const SLOT_MS = 5 * 60_000;
const SLOTS = 16;
const clock = { nowMs: Date.UTC(2031, 4, 5, 12) };
const nextId = queueIdGenerator({ generator: 9, now: () => clock.nowMs });

/** Id times only go up, so tests take later and later ones. */
function messageAt(atMs: number, fields: Partial<AcceptedMessage> = {}): AcceptedMessage {
  clock.nowMs = atMs;
  return message({ id: nextId(), acceptedAtMs: atMs, ...fields });
}

async function finish(spool: Spool, messages: readonly AcceptedMessage[]): Promise<void> {
  const nowMs = Math.max(...messages.map(({ acceptedAtMs }) => acceptedAtMs));
  await spool.claim(idsOf(...messages), leaseOf("w", nowMs));
  await spool.settle(delivered(idsOf(...messages)), { owner: "w", reports: [] });
}

/** Where each body is: the slot, or -1 for those kept. */
async function places(sql: postgres.Sql): Promise<number[]> {
  const rows = await sql<{ slot: number }[]>`SELECT slot FROM bodies ORDER BY id`;
  return rows.map(({ slot }) => slot);
}

async function isIntact(spool: Spool, { id, octets }: AcceptedMessage): Promise<boolean> {
  const body = (await spool.read([id])).get(id);
  return body !== undefined && Buffer.from(body).equals(octets);
}

async function keepsBodies(t: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using sql = client(target, 2);
  await using other = client(target, 2);
  await migrate(sql);
  const spool = postgresSpool(sql);
  const step = (name: string, run: (startMs: number) => Promise<void>) =>
    t.step(name, async () => {
      await sql`TRUNCATE messages, deliveries, attempts, bodies, quarantine`;
      // The beginning of a slot, later than all before.
      await run((Math.floor(clock.nowMs / SLOT_MS) + 2 * SLOTS) * SLOT_MS);
    });

  await step(
    "purge: empties a slot whose mail is delivered, once it is old enough",
    async (startMs) => {
      const messages = Array.from({ length: 5 }, () => messageAt(startMs));
      await spool.commit(messages);
      await finish(spool, messages);
      await spool.purge(startMs + 2 * SLOT_MS - 1);
      assert.equal((await places(sql)).length, 5);
      await spool.purge(startMs + 2 * SLOT_MS);
      assert.deepEqual(await places(sql), []);
    },
  );

  await step(
    "purge: what is still needed moves, stays readable and goes when it is done",
    async (startMs) => {
      const [done, waiting, partly] = [1, 2, 2].map((to) =>
        messageAt(startMs, { ...message({ to }), id: (clock.nowMs = startMs, nextId()) })
      );
      await spool.commit([done, waiting, partly]);
      await finish(spool, [done]);
      await spool.settle(delivered(idsOf(partly).slice(0, 1)), { owner: "w", reports: [] });
      await spool.purge(startMs + 2 * SLOT_MS);
      assert.deepEqual(await places(sql), [-1, -1]);
      assert.equal((await spool.read([done.id])).size, 0);
      assert.ok(await isIntact(spool, waiting));
      assert.ok(await isIntact(spool, partly));
      const nowMs = startMs + 3 * SLOT_MS;
      await spool.claim(idsOf(partly), leaseOf("w", nowMs));
      await spool.settle(delivered(idsOf(partly).slice(1)), { owner: "w", reports: [] });
      await spool.purge(nowMs);
      assert.deepEqual(await places(sql), [-1]);
      assert.ok(await isIntact(spool, waiting));
      await finish(spool, [waiting]);
      await spool.purge(nowMs);
      assert.deepEqual(await places(sql), []);
    },
  );

  await step(
    "purge: a slot full of needed bodies waits until its turn comes near",
    async (startMs) => {
      const full = Array.from(
        { length: 11 },
        () => messageAt(startMs, { recipients: message({ to: 100 }).recipients }),
      );
      await spool.commit(full);
      await spool.purge(startMs + 12 * SLOT_MS);
      assert.deepEqual(new Set(await places(sql)), new Set([bodiesSlot(full[0].id)]));
      await spool.purge(startMs + 13 * SLOT_MS);
      assert.deepEqual(await places(sql), Array(11).fill(-1));
      for (const one of full) {
        assert.ok(await isIntact(spool, one));
      }
    },
  );

  await step("purge: after a long sleep nothing is lost and nothing is left", async (startMs) => {
    const old = messageAt(startMs);
    const delivered = messageAt(startMs + 1);
    await spool.commit([old, delivered]);
    await finish(spool, [delivered]);
    // The same slots again, twenty turns of the ring later.
    const laterMs = startMs + 20 * SLOTS * SLOT_MS;
    const young = messageAt(laterMs);
    await spool.commit([young]);
    assert.equal(bodiesSlot(young.id), bodiesSlot(old.id));
    await spool.purge(laterMs);
    for (const one of [old, young]) assert.ok(await isIntact(spool, one));
    for (let slot = 1; slot <= SLOTS; slot++) await spool.purge(laterMs + slot * SLOT_MS);
    assert.deepEqual(await places(sql), [-1, -1]);
    for (const one of [old, young]) assert.ok(await isIntact(spool, one));
  });

  await step("purge: a message of an old id committed meanwhile is not lost", async (startMs) => {
    const slow = messageAt(startMs + 10);
    const purged = spool.purge(startMs + 2 * SLOT_MS);
    await Promise.all([purged, postgresSpool(other).commit([slow])]);
    await spool.purge(startMs + 2 * SLOT_MS);
    assert.ok(await isIntact(spool, slow));
  });

  await step("purge: among commits, reads and settlements no body is lost", async (startMs) => {
    const busy = postgresSpool(other);
    const nowMs = startMs + 3 * SLOT_MS;
    const waiting: AcceptedMessage[] = [];
    let isOver = false;
    const purging = (async () => {
      let purges = 0;
      for (; !isOver; purges++) await spool.purge(nowMs);
      return purges;
    })();
    let turns = 0;
    for (const endMs = performance.now() + 1_500; performance.now() < endMs; turns++) {
      // Ids of an age that is purged, as if every one of them had been long on its way.
      const batch = Array.from(
        { length: 8 },
        (_, i) =>
          messageAt(startMs + turns, {
            octets: Buffer.alloc(i % 4 === 0 ? 40_000 : 300, `${turns}`),
          }),
      );
      await busy.commit(batch);
      await finish(busy, batch.slice(0, 6));
      waiting.push(...batch.slice(6));
      for (const one of waiting.slice(-20)) assert.ok(await isIntact(busy, one), `turn ${turns}`);
    }
    isOver = true;
    assert.ok(await purging > 2 && turns > 2);
    for (const one of waiting) assert.ok(await isIntact(spool, one));
    const unfinished: QueueId[] = [];
    for (const { id } of await spool.pending({ dueBeforeMs: null, after: null, limit: 100_000 })) {
      unfinished.push(id.slice(0, 13) as QueueId);
    }
    assert.deepEqual(unfinished, waiting.map(({ id }) => id).sort());
    await finish(spool, waiting);
    await spool.purge(nowMs);
    assert.deepEqual(await places(sql), []);
  });

  await step("purge: two at once are one", async (startMs) => {
    const messages = [messageAt(startMs), messageAt(startMs)];
    await spool.commit(messages);
    await finish(spool, messages.slice(1));
    const nowMs = startMs + 2 * SLOT_MS;
    await Promise.all([spool.purge(nowMs), postgresSpool(other).purge(nowMs)]);
    assert.deepEqual(await places(sql), [-1]);
    assert.ok(await isIntact(spool, messages[0]));
  });
}

Deno.test("postgresSpool: keeps bodies as long as they are needed, embedded", async (t) => {
  await using embedded = await embeddedPostgres();
  await keepsBodies(t, embedded.target);
});

Deno.test("postgresSpool: keeps bodies as long as they are needed, on Postgres", async (t) => {
  await using server = await startPostgres();
  if (server !== null) await keepsBodies(t, { kind: "url", url: server.url });
});
