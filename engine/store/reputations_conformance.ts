/** What every store of reputations promises; run on each implementation. */
import assert from "node:assert/strict";
import type { ReputationStore } from "./reputations.ts";

const HALF_LIFE_MS = 1_000_000;

/** @param views of one empty store, as two nodes have it. */
export async function reputationsConformance(
  test: Deno.TestContext,
  { here, elsewhere }: { here: ReputationStore; elsewhere: ReputationStore },
): Promise<void> {
  const read = async (subject: string) => {
    const [found] = await elsewhere.read([subject, "domain:unknown.example"]);
    return found === undefined ? null : [found.ham, found.spam, found.updatedAtMs];
  };
  const add = (store: ReputationStore, subject: string, counts: [number, number], atMs: number) =>
    store.add([{ subject, ham: counts[0], spam: counts[1] }], { atMs, halfLifeMs: HALF_LIFE_MS });

  await test.step("add: counts, faded to when more comes", async () => {
    const subject = "domain:example.org";
    assert.equal(await read(subject), null);
    await add(here, subject, [4, 1], 1_000_000);
    assert.deepEqual(await read(subject), [4, 1, 1_000_000]);
    await add(elsewhere, subject, [1, 0], 2_000_000);
    assert.deepEqual(await read(subject), [3, 0.5, 2_000_000]);
    // A node whose clock is behind takes nothing away.
    await add(here, subject, [1, 0], 1_500_000);
    assert.deepEqual(await read(subject), [4, 0.5, 2_000_000]);
  });

  await test.step("add: after any time, however little is left", async () => {
    for (const atMs of [1, 2e12, 4e12, 6e12, 8e12]) {
      await add(here, "net:192.0.2.0/24", [0, 1], atMs);
    }
    const [found] = await here.read(["net:192.0.2.0/24"]);
    assert.ok(found.ham === 0 && Math.abs(found.spam - 1) < 1e-9);
  });

  await test.step("add: batches of two nodes in opposite orders", async () => {
    const changes = Array.from({ length: 300 }, (_, index) => ({
      subject: `domain:${index}.example`,
      ham: 1,
      spam: 0,
    }));
    const at = { atMs: 5_000_000, halfLifeMs: HALF_LIFE_MS };
    for (let round = 0; round < 5; round++) {
      await Promise.all([here.add(changes, at), elsewhere.add(changes.toReversed(), at)]);
    }
    const found = await here.read(changes.map(({ subject }) => subject));
    assert.equal(found.length, 300);
    assert.ok(found.every(({ ham }) => ham === 10));
    await here.add([], at);
    assert.deepEqual(await here.read([]), []);
  });

  await test.step("forget: what nobody added to since", async () => {
    const { signal } = new AbortController();
    await add(here, "domain:7.example", [1, 0], 5_000_001);
    assert.equal(await here.forget({ beforeMs: 5_000_000, signal }), 1);
    assert.equal(await here.forget({ beforeMs: 5_000_001, signal }), 299);
    assert.deepEqual((await read("domain:7.example"))?.at(-1), 5_000_001);
    assert.equal(await read("domain:8.example"), null);
  });
}
