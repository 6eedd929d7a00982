import assert from "node:assert/strict";
import { client } from "../../tests/fixtures/embedded_postgres.ts";
import { type PostgresFixture, startPostgres } from "../../tests/fixtures/postgres.ts";
import { type DeliveryId, splitDeliveryId } from "../mail/queue_id.ts";
import { StoreUnavailableError } from "./errors.ts";
import { migrate } from "./postgres_migrate.ts";
import { postgresSpool } from "./postgres_spool.ts";
import type { Spool } from "./spool.ts";
import { attempt, idsOf, leaseOf, message, NOON_MS } from "./spool_conformance.ts";

const CONNECTIONS = 4;
const DEADLINE_MS = 20_000;

/** What a server does to the spool, over and over until told to stop. */
function workOf(spool: Spool, committed: Set<DeliveryId>): (() => Promise<void>)[] {
  const commit = async (octets: Uint8Array) => {
    const batch = [message({ octets }), message({ octets })];
    await spool.commit(batch);
    for (const id of idsOf(...batch)) committed.add(id);
  };
  return [
    () => commit(new Uint8Array(2_000)),
    () => commit(new Uint8Array(300_000)),
    () => spool.purge(NOON_MS + 15 * 60_000),
    async () => {
      const failing = message();
      await spool.commit([failing]);
      await spool.claim(idsOf(failing), leaseOf("w"));
      const report = message({ reversePath: "" });
      await spool.settle([{ id: idsOf(failing)[0], outcome: "failed", attempt: attempt() }], {
        owner: "w",
        reports: [report],
      });
      committed.add(idsOf(report)[0]);
    },
  ];
}

async function disturb(server: PostgresFixture, isOver: () => boolean): Promise<void> {
  await using admin = client({ kind: "url", url: server.url }, 1);
  for (let turn = 1; !isOver(); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10 * (turn % 10)));
    if (turn % 25 === 0) {
      await server.kill();
      await server.start();
    } else {
      await admin`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE pid <> pg_backend_pid() AND application_name = 'test' AND random() < 0.3`
        .catch(() => {});
    }
  }
}

Deno.test("postgresSpool: connections lost at any point cost no call its end and no mail", async () => {
  await using server = await startPostgres();
  if (server === null) return;
  await using sql = client({ kind: "url", url: server.url }, CONNECTIONS);
  await migrate(sql);
  const spool = postgresSpool(sql);
  const committed = new Set<DeliveryId>();
  const outcomes = { done: 0, unavailable: 0 };
  const endMs = performance.now() + 5_000;
  const isOver = () => performance.now() > endMs;
  const disturbing = disturb(server, isOver);
  const working = workOf(spool, committed).map(async (work) => {
    while (!isOver()) {
      try {
        await work();
        outcomes.done++;
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) throw error;
        outcomes.unavailable++;
      }
    }
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("a call never ended")), DEADLINE_MS);
  });
  await Promise.race([Promise.all([...working, disturbing]), late]);
  // Every connection of the pool is of use again.
  const asked = Array.from(
    { length: CONNECTIONS },
    () => Promise.race([sql`SELECT pg_sleep(0.2), pg_backend_pid() AS pid`.catch(() => []), late]),
  );
  await Promise.all(asked);
  clearTimeout(timer);
  assert.ok(outcomes.done > 10 && outcomes.unavailable > 10, JSON.stringify(outcomes));

  const pending = await spool.pending({ dueBeforeMs: null, after: null, limit: 1_000_000 });
  const found = new Set(pending.map(({ id }) => id));
  assert.deepEqual([...committed].filter((id) => !found.has(id)), []);
  const messages = new Set([...committed].map((id) => splitDeliveryId(id).message));
  const sample = [...messages].slice(-50);
  assert.equal((await spool.read(sample)).size, sample.length);
});
