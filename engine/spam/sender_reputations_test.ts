import assert from "node:assert/strict";
import type { ReputationChange, ReputationStore, StoredReputation } from "../store/reputations.ts";
import { REPUTATION_HALF_LIFE_MS } from "./reputation.ts";
import { SenderReputations, type SenderReputationsOptions } from "./sender_reputations.ts";

/** A store in memory that counts what it is asked, and may be away. */
class FakeStore implements ReputationStore {
  readonly kept = new Map<string, StoredReputation>();
  readonly asked: string[][] = [];
  readonly added: (readonly ReputationChange[])[] = [];
  isAway = false;

  async read(subjects: readonly string[]): Promise<readonly StoredReputation[]> {
    this.asked.push([...subjects]);
    await this.#answer();
    return subjects.flatMap((subject) => this.kept.get(subject) ?? []);
  }

  async add(changes: readonly ReputationChange[]): Promise<void> {
    await this.#answer();
    this.added.push(changes);
  }

  forget(): Promise<number> {
    return Promise.resolve(0);
  }

  async #answer(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    if (this.isAway) throw new Error("away");
  }
}

function setUp(options: Partial<SenderReputationsOptions> = {}) {
  const clock = { nowMs: 1_000_000 };
  const store = new FakeStore();
  const errors: unknown[] = [];
  const reputations = new SenderReputations({
    store,
    now: () => clock.nowMs,
    onError: (error) => errors.push(error),
    // Only when a test says so.
    flushMs: 1e6,
    ...options,
  });
  return { clock, store, errors, reputations };
}

Deno.test("SenderReputations: asks once a minute for each subject, several together", async () => {
  const { clock, store, reputations } = setUp();
  await using _ = reputations;
  store.kept.set("a", { subject: "a", ham: 8, spam: 2, updatedAtMs: clock.nowMs });
  const all = await Promise.all([
    reputations.reputationsOf(["a", "b"]),
    reputations.reputationsOf(["a"]),
    reputations.reputationsOf(["c", "a"]),
  ]);
  assert.deepEqual(all[2], [{ subject: "c", ham: 0, spam: 0 }, { subject: "a", ham: 8, spam: 2 }]);
  assert.deepEqual(store.asked, [["a", "b"], ["a", "c"]]);
  await reputations.reputationsOf(["a", "b", "c"]);
  assert.equal(store.asked.length, 2);
  clock.nowMs += 60_000;
  await reputations.reputationsOf(["b"]);
  assert.deepEqual(store.asked[2], ["b"]);
});

Deno.test("SenderReputations: counts fade since they were stored", async () => {
  const { clock, store, reputations } = setUp();
  await using _ = reputations;
  const updatedAtMs = clock.nowMs - REPUTATION_HALF_LIFE_MS;
  store.kept.set("a", { subject: "a", ham: 8, spam: 2, updatedAtMs });
  assert.deepEqual(await reputations.reputationsOf(["a"]), [{ subject: "a", ham: 4, spam: 1 }]);
  assert.equal(await reputations.isKnownSender("a"), false);
  store.kept.set("b", { subject: "b", ham: 8, spam: 0, updatedAtMs });
  assert.equal(await reputations.isKnownSender("b"), true);
});

Deno.test("SenderReputations: what is recorded counts here at once, and is stored in one batch", async () => {
  const { store, reputations } = setUp();
  await using _ = reputations;
  await reputations.reputationsOf(["a"]);
  reputations.record(["a", "b"], "ham");
  reputations.record(["a"], "spam");
  assert.deepEqual(await reputations.reputationsOf(["a", "b"]), [
    { subject: "a", ham: 1, spam: 1 },
    { subject: "b", ham: 1, spam: 0 },
  ]);
  await reputations.flush();
  assert.deepEqual(store.added, [[
    { subject: "a", ham: 1, spam: 1 },
    { subject: "b", ham: 1, spam: 0 },
  ]]);
  await reputations.flush();
  assert.equal(store.added.length, 1);
});

Deno.test("SenderReputations: records by itself after a moment, and what is left when it ends", async () => {
  const { store, reputations } = setUp({ flushMs: 1 });
  reputations.record(["a"], "ham");
  while (store.added.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  reputations.record(["b"], "spam");
  await reputations[Symbol.asyncDispose]();
  assert.deepEqual(store.added.flat().map(({ subject }) => subject), ["a", "b"]);
});

Deno.test("SenderReputations: a store that is away is nobody's trouble", async () => {
  const { clock, store, errors, reputations } = setUp({ capacity: 2 });
  await using _ = reputations;
  store.isAway = true;
  assert.deepEqual(await reputations.reputationsOf(["a"]), [{ subject: "a", ham: 0, spam: 0 }]);
  await reputations.reputationsOf(["a"]);
  assert.equal(store.asked.length, 1);
  for (const subject of ["a", "b", "c", "a"]) reputations.record([subject], "ham");
  await reputations.flush();
  assert.equal(errors.length, 2);
  store.isAway = false;
  clock.nowMs += 5_000;
  await reputations.flush();
  assert.deepEqual(store.added, [[
    { subject: "a", ham: 2, spam: 0 },
    { subject: "b", ham: 1, spam: 0 },
  ]]);
  await reputations.reputationsOf(["a"]);
  assert.equal(store.asked.length, 2);
});

Deno.test("SenderReputations: remembers the subjects used last, no more than its capacity", async () => {
  const { store, reputations } = setUp({ capacity: 2 });
  await using _ = reputations;
  for (const subject of ["a", "b", "a", "c", "a", "b"]) await reputations.reputationsOf([subject]);
  assert.deepEqual(store.asked, [["a"], ["b"], ["c"], ["b"]]);
});
