/** What every spool with its quarantine promises; run on each implementation, through two clients. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { Hold } from "../mail/envelope.ts";
import { deliveryId, type QueueId, queueIdGenerator } from "../mail/queue_id.ts";
import type { History } from "./history.ts";
import { type HeldPage, MAX_HEAD_OCTETS, type Quarantine } from "./quarantine.ts";
import type { AcceptedMessage, Spool } from "./spool.ts";
import { attempt, delivered, idsOf, leaseOf, message, NOON_MS } from "./spool_conformance.ts";

const DAY_MS = 86_400_000;
const none = { reports: [] };

export interface QuarantineStore {
  readonly spool: Spool;
  readonly quarantine: Quarantine;
  readonly history: History;
  /** The same store as another process sees it. */
  readonly otherSpool: Spool;
  readonly otherQuarantine: Quarantine;
  clear(): Promise<void>;
}

function hold(fields: Partial<Hold> = {}): Hold {
  return {
    reason: "spam",
    explanation: "12.5 points: GTUBE",
    untilMs: NOON_MS + 30 * DAY_MS,
    ...fields,
  };
}

function held(fields: Parameters<typeof message>[0] = {}): AcceptedMessage {
  return message({ hold: hold(), ...fields });
}

function page(fields: Partial<HeldPage> = {}): HeldPage {
  return { recipient: null, sender: null, reason: null, before: null, limit: 100, ...fields };
}

const EVERYTHING = { dueBeforeMs: null, after: null, limit: 1_000 };

export async function quarantineConformance(
  t: Deno.TestContext,
  store: QuarantineStore,
): Promise<void> {
  const { spool, quarantine, history, otherSpool, otherQuarantine } = store;
  const step = (name: string, run: () => Promise<void>) =>
    t.step(name, async () => {
      await store.clear();
      await run();
    });
  const listed = async (fields: Partial<HeldPage> = {}) =>
    (await quarantine.list(page(fields))).map(({ id }) => id);
  const pending = async () => (await spool.pending(EVERYTHING)).map(({ id }) => id);

  await step("commit: what is held is met by no claim, sweep, rebuild or abandonment", async () => {
    const one = held({ to: 2 });
    const free = message();
    await spool.commit([one, free]);
    assert.deepEqual(await spool.depth(), { queued: 1, leased: 0, deferred: 0, held: 2 });
    assert.deepEqual(await pending(), idsOf(free));
    const due = { ...EVERYTHING, dueBeforeMs: NOON_MS + DAY_MS };
    assert.deepEqual((await spool.pending(due)).map(({ id }) => id), idsOf(free));
    const lease = leaseOf("w", NOON_MS + DAY_MS);
    const claimed = await spool.claim(idsOf(one, free), lease);
    assert.deepEqual(claimed.map(({ id }) => id), idsOf(free));
    // A settlement astray changes nothing either.
    await spool.settle(
      idsOf(one).map((id) => ({ id, outcome: "failed", attempt: attempt() })),
      { owner: "w", ...none },
    );
    await spool.abandon("");
    assert.deepEqual(await spool.depth(), { queued: 1, leased: 0, deferred: 0, held: 2 });
    assert.equal((await spool.read([one.id])).size, 0);
  });

  await step("commit: batches of every size, held and not, all or none", async () => {
    for (const octets of [Buffer.from("small"), Buffer.alloc(40_000, "large")]) {
      await store.clear();
      const messages = Array.from(
        { length: 5 },
        (_, n) => message({ octets, hold: n % 2 === 0 ? hold() : null }),
      );
      await spool.commit(messages);
      const [a, b, c, d, e] = messages;
      assert.deepEqual(await listed(), [e.id, c.id, a.id]);
      assert.deepEqual(await pending(), idsOf(b, d));
      assert.deepEqual([...(await spool.read([b.id, d.id])).keys()].sort(), [b.id, d.id]);
      for (const { id } of [a, c, e]) {
        assert.deepEqual(Buffer.from((await otherQuarantine.read(id))!), octets);
      }
      const fresh = held({ octets });
      await assert.rejects(spool.commit([fresh, message({ id: b.id, octets })]));
      assert.equal(await quarantine.show(fresh.id), null);
      assert.equal(await quarantine.read(fresh.id), null);
    }
  });

  await step("show: everything about it, whatever strangers wrote", async () => {
    const one = held({
      acceptedAtMs: NOON_MS - 5,
      reversePath: `o'"neil\\@x.test`,
      heloName: "nul\0 {x}",
      recipients: ["ünï@here.test", "bob,{}@here.test"].map((forwardPath) => ({
        forwardPath,
        transport: "local",
        destination: "here.test",
      })),
      octets: Buffer.from(`Subject: hi\r\n\r\n${"x".repeat(2 * MAX_HEAD_OCTETS)}`),
      hold: hold({ reason: "dmarc", explanation: "'; DROP \0 half \ud83d" }),
    });
    await spool.commit([one]);
    const { head, ...rest } = (await otherQuarantine.show(one.id))!;
    assert.deepEqual(rest, {
      id: one.id,
      acceptedAtMs: NOON_MS - 5,
      reversePath: `o'"neil\\@x.test`,
      recipients: ["ünï@here.test", "bob,{}@here.test"],
      clientAddress: one.clientAddress,
      heloName: "nul\ufffd {x}",
      sizeOctets: one.octets.length,
      reason: "dmarc",
      explanation: "'; DROP \ufffd half \ufffd",
      untilMs: NOON_MS + 30 * DAY_MS,
    });
    assert.deepEqual(Buffer.from(head), one.octets.subarray(0, MAX_HEAD_OCTETS));
    assert.deepEqual(Buffer.from((await quarantine.read(one.id))!), one.octets);
  });

  await step(
    "list: the newest first, a page at a time, by recipient, sender and rule",
    async () => {
      const to = (...forwardPaths: string[]) => ({
        recipients: forwardPaths.map((forwardPath) => ({
          forwardPath,
          transport: "local" as const,
          destination: "here.test",
        })),
      });
      const a = held({ ...to("Ann@here.test"), reversePath: "x@Spam.test" });
      const b = held({ ...to("bob@here.test", "ann@here.test"), reversePath: "" });
      const c = held({ ...to("joann@here.test"), hold: hold({ reason: "dmarc" }) });
      await spool.commit([a, b, c, message()]);
      assert.deepEqual(await listed(), [c.id, b.id, a.id]);
      const pages: QueueId[] = [];
      for (let before: QueueId | null = null;;) {
        const next: QueueId[] = await listed({ before, limit: 1 });
        if (next.length === 0) break;
        pages.push(...next);
        before = next[0];
      }
      assert.deepEqual(pages, [c.id, b.id, a.id]);
      assert.deepEqual(await listed({ recipient: "aNN@here.test" }), [b.id, a.id]);
      assert.deepEqual(await listed({ recipient: "@HERE.test" }), [c.id, b.id, a.id]);
      assert.deepEqual(await listed({ recipient: "@ere.test" }), []);
      assert.deepEqual(await listed({ recipient: "%" }), []);
      assert.deepEqual(await listed({ sender: "X@spam.test" }), [a.id]);
      assert.deepEqual(await listed({ sender: "@spam.test" }), [a.id]);
      assert.deepEqual(await listed({ sender: "" }), [b.id]);
      assert.deepEqual(await listed({ reason: "dmarc" }), [c.id]);
      assert.deepEqual(await listed({ reason: "dmarc", recipient: "ann@here.test" }), []);
      assert.equal(await history.held(), 3);
    },
  );

  await step("release: due at once, with its body and its time before it", async () => {
    const [one, other] = [held({ to: 2 }), held()];
    await spool.commit([one, other]);
    const nowMs = NOON_MS + 6 * DAY_MS;
    const released = await otherQuarantine.release([one.id, message().id], nowMs);
    assert.deepEqual(
      released.toSorted((x, y) => x.id < y.id ? -1 : 1),
      idsOf(one).map((id) => ({ id, destination: "there.test", nextAttemptAtMs: NOON_MS })),
    );
    assert.deepEqual(await pending(), idsOf(one));
    assert.deepEqual(await listed(), [other.id]);
    assert.equal(await quarantine.show(one.id), null);
    assert.equal(await quarantine.read(one.id), null);
    assert.deepEqual(await spool.depth(), { queued: 2, leased: 0, deferred: 0, held: 1 });
    assert.deepEqual(Buffer.from((await otherSpool.read([one.id])).get(one.id)!), one.octets);
    const leased = await otherSpool.claim(idsOf(one), leaseOf("w", nowMs));
    assert.deepEqual(leased.map(({ queuedAtMs }) => queuedAtMs), [nowMs, nowMs]);
    // Once is enough, and no later decision counts.
    assert.deepEqual(await quarantine.release([one.id], nowMs), []);
    assert.deepEqual(await quarantine.discard([one.id], nowMs), []);
    await spool.settle(delivered(idsOf(one)), { owner: "w", ...none });
    const trace = (await history.trace(one.id))!;
    assert.deepEqual(trace.deliveries.map(({ state }) => state), ["delivered", "delivered"]);
    assert.deepEqual(trace.hold, { ...hold(), decision: "released", decidedAtMs: nowMs });
  });

  await step("discard: over, its body gone, nothing sent", async () => {
    const [one, other] = [held(), held()];
    await spool.commit([one, other]);
    assert.deepEqual(await quarantine.discard([one.id], NOON_MS + 1), [one.id]);
    assert.equal(await quarantine.read(one.id), null);
    assert.deepEqual(await quarantine.release([one.id], NOON_MS + 2), []);
    assert.deepEqual(await pending(), []);
    assert.deepEqual(await listed(), [other.id]);
    const trace = (await history.trace(one.id))!;
    assert.deepEqual(
      trace.deliveries.map(({ state, nextAttemptAtMs }) => [state, nextAttemptAtMs]),
      [["discarded", null]],
    );
    assert.equal(trace.hold?.decision, "deleted");
    const waiting = (await history.trace(other.id))!;
    assert.deepEqual(
      waiting.deliveries.map(({ state, nextAttemptAtMs }) => [state, nextAttemptAtMs]),
      [["held", null]],
    );
    assert.deepEqual(waiting.hold, { ...hold(), decision: null, decidedAtMs: null });
    await spool.commit([message()]);
    assert.equal((await history.queue({ limit: 10 })).length, 1);
  });

  await step("expire: what is over, a bounded number a call", async () => {
    const until = (untilMs: number) => held({ hold: hold({ untilMs }) });
    const over = Array.from({ length: 501 }, () => until(NOON_MS + 5));
    const later = until(NOON_MS + 6);
    await spool.commit([later]);
    for (let from = 0; from < over.length; from += 100) {
      await spool.commit(over.slice(from, from + 100));
    }
    assert.equal(await quarantine.expire(NOON_MS + 4), 0);
    assert.equal(await quarantine.expire(NOON_MS + 5), 500);
    assert.equal(await quarantine.expire(NOON_MS + 5), 1);
    assert.equal(await quarantine.expire(NOON_MS + 5), 0);
    assert.deepEqual(await listed(), [later.id]);
    assert.equal(await quarantine.read(over[0].id), null);
    assert.equal((await history.trace(over[0].id))!.hold?.decision, "expired");
    assert.deepEqual(await spool.depth(), { queued: 0, leased: 0, deferred: 0, held: 1 });
  });

  await step("decisions: of several at once about one message one counts", async () => {
    const messages = Array.from({ length: 20 }, () => held());
    await spool.commit(messages);
    const ids = messages.map(({ id }) => id);
    const nowMs = NOON_MS + 31 * DAY_MS;
    const [released, discarded, again, expired] = await Promise.all([
      quarantine.release(ids, nowMs),
      otherQuarantine.discard(ids.toReversed(), nowMs),
      otherQuarantine.release(ids, nowMs),
      quarantine.expire(nowMs),
    ]);
    assert.equal(released.length + discarded.length + again.length + expired, ids.length);
    const queued = [...released, ...again].map(({ id }) => id).sort();
    assert.deepEqual(await pending(), queued);
    const bodies = await spool.read(ids);
    assert.deepEqual([...bodies.keys()].map((id) => deliveryId(id, 0)).sort(), queued);
  });

  await step("purge, forget: what is held outlives the ring and the history", async () => {
    const clock = { nowMs: NOON_MS };
    const nextId = queueIdGenerator({ generator: 8, now: () => clock.nowMs });
    const [kept, released, gone] = [1, 2, 3].map(() => held({ id: nextId() }));
    await spool.commit([kept, released, gone]);
    await quarantine.discard([gone.id], NOON_MS);
    for (let age = 0; age < 40; age++) await spool.purge(NOON_MS + age * 5 * 60_000);
    assert.equal(await spool.forget(NOON_MS + DAY_MS), 1);
    assert.equal(await history.trace(gone.id), null);
    assert.deepEqual(Buffer.from((await quarantine.read(kept.id))!), kept.octets);
    await quarantine.release([released.id], NOON_MS + DAY_MS);
    await spool.purge(NOON_MS + DAY_MS);
    assert.equal((await spool.read([released.id])).size, 1);
    const lease = leaseOf("w", NOON_MS + DAY_MS);
    assert.equal((await spool.claim(idsOf(released), lease)).length, 1);
    await spool.settle(delivered(idsOf(released)), { owner: "w", ...none });
    await spool.purge(NOON_MS + DAY_MS);
    assert.equal((await spool.read([released.id])).size, 0);
    assert.equal(await spool.forget(NOON_MS + DAY_MS), 1);
    assert.deepEqual(await listed(), [kept.id]);
  });
}
