/** What every spool promises; run on each implementation, through two clients of one store. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type DeliveryId, deliveryId, queueIdGenerator } from "../mail/queue_id.ts";
import { StoreUnavailableError } from "./errors.ts";
import type { AcceptedMessage, AttemptRecord, LeasedDelivery, Settlement, Spool } from "./spool.ts";

/** A made-up noon, from which the tests count their time. */
export const NOON_MS = Date.UTC(2031, 4, 5, 12);
const LEASE_MS = 900_000;

export interface SpoolStore {
  /** Two spools of one store, as two workers see it. */
  readonly a: Spool;
  readonly b: Spool;
  /** Empties it. */
  clear(): Promise<void>;
}

const nextId = queueIdGenerator({ generator: 7, now: () => NOON_MS });

export function message(fields: Partial<AcceptedMessage> & { to?: number } = {}): AcceptedMessage {
  const { to = 1, ...rest } = fields;
  return {
    id: nextId(),
    acceptedAtMs: NOON_MS,
    reversePath: "ann@here.test",
    bodyType: "7bit",
    smtpUtf8: false,
    clientAddress: "192.0.2.1",
    heloName: "client.test",
    protocol: "ESMTP",
    octets: Buffer.from("Subject: hi\r\n\r\nhi\r\n"),
    recipients: Array.from({ length: to }, (_, n) => ({
      forwardPath: `bob${n}@there.test`,
      transport: "smtp" as const,
      destination: "there.test",
    })),
    ...rest,
  };
}

export function idsOf(...messages: readonly AcceptedMessage[]): DeliveryId[] {
  return messages.flatMap(({ id, recipients }) => recipients.map((_, n) => deliveryId(id, n)));
}

export function leaseOf(owner: string, nowMs = NOON_MS) {
  return { owner, nowMs, untilMs: nowMs + LEASE_MS };
}

export function attempt(fields: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    startedAtMs: NOON_MS,
    endedAtMs: NOON_MS + 1,
    mxHost: "mx.there.test",
    remoteAddress: "192.0.2.2",
    tls: true,
    diagnostic: "250 2.0.0 fine",
    enhancedStatus: "2.0.0",
    ...fields,
  };
}

export function delivered(ids: readonly DeliveryId[]): Settlement[] {
  return ids.map((id) => ({ id, outcome: "delivered", attempt: attempt() }));
}

function deferred(ids: readonly DeliveryId[], nextAttemptAtMs: number): Settlement[] {
  return ids.map((id) => ({ id, outcome: "deferred", attempt: attempt(), nextAttemptAtMs }));
}

const none = { reports: [] };
const claimed = (deliveries: readonly LeasedDelivery[]) => deliveries.map(({ id }) => id).sort();

/** All unfinished deliveries, a page at a time. */
async function allPending(
  spool: Spool,
  options: { dueBeforeMs?: number; limit?: number } = {},
): Promise<DeliveryId[]> {
  const found: DeliveryId[] = [];
  const { dueBeforeMs = null, limit = 100 } = options;
  for (let after: DeliveryId | null = null;;) {
    const page = await spool.pending({ dueBeforeMs, after, limit });
    found.push(...page.map(({ id }) => id));
    if (page.length < limit) return found;
    after = page[page.length - 1].id;
  }
}

const HOSTILE = [
  `'; DROP TABLE messages; --`,
  `"quoted\\" \\n \\u0000 {}`,
  "tab\tbell\x07 del\x7f",
  "grüße 😀 \u202e",
  "$1 %s ${x}",
];

export async function spoolConformance(t: Deno.TestContext, store: SpoolStore): Promise<void> {
  const { a, b } = store;
  const step = (name: string, run: () => Promise<void>) =>
    t.step(name, async () => {
      await store.clear();
      await run();
    });

  await step("commit: what was committed is there in every field", async () => {
    const one = message({
      reversePath: "",
      bodyType: "8bitmime",
      smtpUtf8: true,
      acceptedAtMs: NOON_MS - 123,
      recipients: [
        { forwardPath: "bob@here.test", transport: "local", destination: "here.test" },
        { forwardPath: "Ünï@there.test", transport: "smtp", destination: "there.test" },
      ],
    });
    await a.commit([one]);
    const [local, remote] = (await b.claim(idsOf(one), leaseOf("w"))).toSorted((x, y) =>
      x.id < y.id ? -1 : 1
    );
    assert.deepEqual(local, {
      id: deliveryId(one.id, 0),
      message: one.id,
      forwardPath: "bob@here.test",
      transport: "local",
      destination: "here.test",
      attempts: 0,
      wasLeased: false,
      queuedAtMs: NOON_MS - 123,
      reversePath: "",
      bodyType: "8bitmime",
      smtpUtf8: true,
      sizeOctets: one.octets.length,
    });
    assert.equal(remote.forwardPath, "Ünï@there.test");
    assert.deepEqual(Buffer.from((await b.read([one.id])).get(one.id)!), one.octets);
  });

  await step("commit: bodies of every size, alone and together", async () => {
    const every = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, i) => i * 7));
    const bodies = [0, 1, 8_000, 16_383, 16_384, 70_000].map((size) => every.subarray(0, size));
    const messages = bodies.map((octets) => message({ octets }));
    await a.commit(messages);
    const alone = bodies.map((octets) => message({ octets }));
    for (const one of alone) await a.commit([one]);
    for (const { id, octets } of [...messages, ...alone]) {
      assert.ok(Buffer.from((await b.read([id])).get(id)!).equals(octets), `${octets.length}`);
    }
  });

  await step("commit: 128 messages at once, one of 30 MiB, one for 1000 recipients", async () => {
    const small = Array.from({ length: 128 }, () => message());
    await a.commit(small);
    assert.equal((await a.claim(idsOf(...small), leaseOf("w"))).length, 128);
    const large = message({ octets: Buffer.alloc(30 * 1024 * 1024, "x\r\n") });
    await a.commit([large]);
    assert.ok(Buffer.from((await b.read([large.id])).get(large.id)!).equals(large.octets));
    const many = message({ to: 1000 });
    await a.commit([many]);
    const leased = await a.claim(idsOf(many), leaseOf("w"));
    assert.deepEqual(claimed(leased), idsOf(many).sort());
    await a.settle(delivered(idsOf(many)), { owner: "w", ...none });
    assert.deepEqual(await a.depth(), { queued: 1, leased: 128, deferred: 0, held: 0 });
  });

  await step("commit: all messages of a batch or none", async () => {
    for (const size of [10, 40_000]) {
      const known = message({ octets: Buffer.alloc(size) });
      await a.commit([known]);
      const fresh = message({ octets: Buffer.alloc(size) });
      await assert.rejects(a.commit([fresh, known]));
      assert.equal((await a.read([fresh.id])).size, 0);
      assert.deepEqual(await a.claim(idsOf(fresh), leaseOf("w")), []);
      await a.commit([fresh]);
    }
  });

  await step("commit, settle: hostile text comes back as it was", async () => {
    const messages = HOSTILE.map((text) =>
      message({
        heloName: text,
        reversePath: text,
        recipients: [{ forwardPath: text, transport: "smtp", destination: text }],
      })
    );
    await a.commit(messages);
    const leased = await a.claim(idsOf(...messages), leaseOf("w"));
    assert.deepEqual(new Set(leased.map(({ reversePath }) => reversePath)), new Set(HOSTILE));
    assert.deepEqual(new Set(leased.map(({ destination }) => destination)), new Set(HOSTILE));
    await a.settle(
      leased.map(({ id }, i) => ({
        id,
        outcome: "failed",
        attempt: attempt({ diagnostic: HOSTILE[i], mxHost: HOSTILE[i] }),
      })),
      { owner: "w", ...none },
    );
    assert.deepEqual(await allPending(a), []);
  });

  await step("commit, settle: text the store cannot hold spoils nobody's batch", async () => {
    const good = message();
    const bad = message({ heloName: "nul\0 and half a \ud83d", reversePath: "a\0@x.test" });
    await a.commit([good, bad]);
    const leased = await a.claim(idsOf(good, bad), leaseOf("w"));
    assert.deepEqual(leased.map(({ reversePath }) => reversePath).sort(), [
      "ann@here.test",
      "a\ufffd@x.test",
    ]);
    await a.settle(
      leased.map(({ id }) => ({ id, outcome: "failed", attempt: attempt({ diagnostic: "\0" }) })),
      { owner: "w", ...none },
    );
    assert.deepEqual(await allPending(a), []);
  });

  await step("claim: only what is due, and each to one worker", async () => {
    const due = message({ to: 2 });
    const later = message({ acceptedAtMs: NOON_MS + 1 });
    await a.commit([due, later]);
    assert.deepEqual(claimed(await a.claim(idsOf(due, later), leaseOf("w1"))), idsOf(due));
    assert.deepEqual(await b.claim(idsOf(due, later), leaseOf("w2")), []);
    assert.deepEqual(await a.claim(idsOf(due), leaseOf("w1")), []);
    assert.deepEqual(
      claimed(await b.claim(idsOf(later), leaseOf("w2", NOON_MS + 1))),
      idsOf(later),
    );
    const unknown = deliveryId(nextId(), 0);
    assert.deepEqual(await a.claim([unknown], leaseOf("w1")), []);
    assert.deepEqual(await a.claim([], leaseOf("w1")), []);
    assert.deepEqual(await a.depth(), { queued: 0, leased: 3, deferred: 0, held: 0 });
  });

  await step("claim: a lease that ran out goes to who asks, and says so", async () => {
    const one = message();
    await a.commit([one]);
    await a.claim(idsOf(one), leaseOf("w1"));
    const overMs = NOON_MS + LEASE_MS;
    assert.deepEqual(await b.claim(idsOf(one), leaseOf("w2", overMs - 1)), []);
    const [taken] = await b.claim(idsOf(one), leaseOf("w2", overMs + 1));
    assert.equal(taken.wasLeased, true);
    assert.equal(taken.attempts, 0);
  });

  await step("settle: of a lost lease the final outcome counts, a deferral does not", async () => {
    for (const outcome of ["deferred", "released", "delivered", "failed"] as const) {
      await store.clear();
      const one = message();
      const [id] = idsOf(one);
      await a.commit([one]);
      await a.claim([id], leaseOf("w1"));
      const lateMs = NOON_MS + LEASE_MS + 1;
      await b.claim([id], leaseOf("w2", lateMs));
      const late: Settlement = outcome === "released"
        ? { id, outcome, nextAttemptAtMs: lateMs }
        : outcome === "deferred"
        ? { id, outcome, attempt: attempt(), nextAttemptAtMs: lateMs }
        : { id, outcome, attempt: attempt() };
      await a.settle([late], { owner: "w1", ...none });
      const isFinal = outcome === "delivered" || outcome === "failed";
      const leased = isFinal ? 0 : 1;
      assert.deepEqual(await a.depth(), { queued: 0, leased, deferred: 0, held: 0 }, outcome);
      await b.settle(deferred([id], lateMs), { owner: "w2", ...none });
      assert.deepEqual(
        await a.depth(),
        { queued: 0, leased: 0, deferred: leased, held: 0 },
        outcome,
      );
    }
  });

  await step("settle: twice is once, together or one after the other", async () => {
    const one = message({ to: 3 });
    const [first, second, third] = idsOf(one);
    await a.commit([one]);
    await a.claim(idsOf(one), leaseOf("w"));
    const settlements = [
      ...deferred([first, first], NOON_MS + 5_000),
      ...deferred([second], NOON_MS + 5_000),
      ...delivered([second, third, third]),
    ];
    for (let time = 0; time < 2; time++) {
      await a.settle(settlements, { owner: "w", ...none });
      assert.deepEqual(await a.depth(), { queued: 0, leased: 0, deferred: 1, held: 0 });
    }
    const [again] = await a.claim([first], leaseOf("w", NOON_MS + 5_000));
    assert.equal(again.attempts, 1);
    assert.equal(again.wasLeased, false);
  });

  await step("settle: what is released was no attempt", async () => {
    const one = message();
    await a.commit([one]);
    await a.claim(idsOf(one), leaseOf("w"));
    const nextAttemptAtMs = NOON_MS + 5_000;
    await a.settle([{ id: idsOf(one)[0], outcome: "released", nextAttemptAtMs }], {
      owner: "w",
      ...none,
    });
    assert.deepEqual(await a.claim(idsOf(one), leaseOf("w", nextAttemptAtMs - 1)), []);
    const [again] = await a.claim(idsOf(one), leaseOf("w", nextAttemptAtMs));
    assert.equal(again.attempts, 0);
  });

  await step("settle: with its reports or not at all, and those once", async () => {
    const one = message();
    await a.commit([one]);
    await a.claim(idsOf(one), leaseOf("w"));
    const failed: Settlement = { id: idsOf(one)[0], outcome: "failed", attempt: attempt() };
    const report = message({ reversePath: "", octets: Buffer.from("report") });
    const large = message({ reversePath: "", octets: Buffer.alloc(40_000, "r") });
    const broken = message({ acceptedAtMs: NaN });
    await assert.rejects(a.settle([failed], { owner: "w", reports: [report, broken] }));
    assert.equal((await a.read([report.id])).size, 0);
    assert.deepEqual(await a.depth(), { queued: 0, leased: 1, deferred: 0, held: 0 });
    for (let time = 0; time < 2; time++) {
      await a.settle([failed], { owner: "w", reports: [report, large] });
      assert.deepEqual(await allPending(a), idsOf(report, large).sort());
    }
    assert.equal((await a.read([report.id, large.id])).size, 2);
  });

  await step("pending: every unfinished one once, in order, or those due and free", async () => {
    const messages = Array.from({ length: 10 }, () => message({ to: 3 }));
    const ids = idsOf(...messages);
    await a.commit(messages);
    for (const limit of [1, 4, 29, 30, 31]) {
      assert.deepEqual(await allPending(a, { limit }), ids, `${limit}`);
    }
    await a.claim(ids.slice(0, 5), leaseOf("w"));
    await a.settle(delivered(ids.slice(0, 1)), { owner: "w", ...none });
    await a.settle(deferred(ids.slice(1, 2), NOON_MS + 7_000), { owner: "w", ...none });
    assert.deepEqual(await allPending(a), ids.slice(1));
    assert.deepEqual(await allPending(a, { dueBeforeMs: NOON_MS, limit: 3 }), ids.slice(5));
    assert.deepEqual(await allPending(a, { dueBeforeMs: NOON_MS - 1 }), []);
    assert.deepEqual(await allPending(a, { dueBeforeMs: NOON_MS + LEASE_MS }), ids.slice(1));
    const [next] = await a.pending({ dueBeforeMs: null, after: ids[0], limit: 1 });
    assert.deepEqual(next, {
      id: ids[1],
      destination: "there.test",
      nextAttemptAtMs: NOON_MS + 7_000,
    });
  });

  await step("abandon: the leases of those whose name begins so, letter by letter", async () => {
    const owners = ["node/worker-1/5", "node/worker-10/5", "nodeXworker-1/5", "no%/w", "no_/w"];
    const messages = owners.map(() => message());
    await a.commit(messages);
    for (const [i, owner] of owners.entries()) {
      await a.claim(idsOf(messages[i]), leaseOf(owner));
    }
    const abandoned = async (prefix: string) =>
      (await b.abandon(prefix)).map(({ id }) => messages.findIndex((m) => idsOf(m)[0] === id));
    assert.deepEqual(await abandoned("no%/"), [3]);
    assert.deepEqual(await abandoned("no_/"), [4]);
    assert.deepEqual(await abandoned("node/worker-1/"), [0]);
    assert.deepEqual(await abandoned("node/worker-1/"), []);
    const [again] = await a.claim(idsOf(messages[0]), leaseOf("w"));
    assert.equal(again.wasLeased, true);
    assert.deepEqual((await abandoned("node")).sort(), [1, 2]);
  });

  await step("read: a body that is not there is left out", async () => {
    const one = message();
    await a.commit([one]);
    assert.deepEqual([...(await b.read([nextId(), one.id])).keys()], [one.id]);
    assert.equal((await b.read([])).size, 0);
  });

  await step("claim: two workers after the same thousands, each gets its own", async () => {
    const messages = Array.from({ length: 30 }, () => message({ to: 100 }));
    const ids = idsOf(...messages);
    await a.commit(messages);
    const chunks = Array.from({ length: 30 }, (_, i) => ids.slice(i * 100, i * 100 + 200));
    const run = async (spool: Spool, owner: string, order: DeliveryId[][]) => {
      const got: DeliveryId[] = [];
      for (const chunk of order) got.push(...claimed(await spool.claim(chunk, leaseOf(owner))));
      return got;
    };
    const [one, two] = await Promise.all([
      run(a, "w1", chunks),
      run(b, "w2", chunks.map((chunk) => chunk.toReversed())),
    ]);
    assert.equal(one.length + two.length, ids.length);
    assert.deepEqual([...one, ...two].sort(), ids.toSorted());
  });

  await step("a store that refuses for good is told from one that is away", async () => {
    const error = await a.commit([message({ acceptedAtMs: NaN })]).then(() => null, (e) => e);
    assert.ok(error instanceof Error && !(error instanceof StoreUnavailableError));
  });
}
