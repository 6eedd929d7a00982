import assert from "node:assert/strict";
import fc from "fast-check";
import { GroupCommit, type GroupCommitOptions } from "./group_commit.ts";

interface Write {
  readonly items: readonly number[];
  readonly succeed: () => void;
  readonly fail: (error: Error) => void;
}

/** A store whose writes end when the test says so. */
class Store {
  readonly writes: Write[] = [];
  #onWrite: () => void = () => {};

  readonly write = (items: readonly number[]): Promise<void> =>
    new Promise((succeed, fail) => {
      this.writes.push({ items, succeed, fail });
      this.#onWrite();
    });

  async written(count: number): Promise<void> {
    while (this.writes.length < count) {
      await new Promise<void>((resolve) => this.#onWrite = resolve);
    }
  }

  get batches(): number[][] {
    return this.writes.map(({ items }) => [...items]);
  }
}

function grouping(store: Store, options: Partial<GroupCommitOptions<number>> = {}) {
  return new GroupCommit<number>({
    write: store.write,
    sizeOf: (item) => item,
    maxItems: 4,
    maxOctets: 1000,
    maxWrites: 1,
    ...options,
  });
}

/** Long enough for whatever is scheduled to have run. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

Deno.test("GroupCommit: what becomes ready during a write goes out together with the next", async () => {
  const store = new Store();
  const commits = grouping(store);
  const first = commits.commit(1);
  await store.written(1);
  const others = [2, 3, 4].map((item) => commits.commit(item));
  await turn();
  assert.deepEqual(store.batches, [[1]]);
  store.writes[0].succeed();
  await first;
  await store.written(2);
  assert.deepEqual(store.batches, [[1], [2, 3, 4]]);
  store.writes[1].succeed();
  await Promise.all(others);
});

Deno.test("GroupCommit: resolves no sooner than its write", async () => {
  const store = new Store();
  const commits = grouping(store);
  let isStored = false;
  const commit = commits.commit(1).then(() => {
    isStored = true;
  });
  await store.written(1);
  await turn();
  assert.equal(isStored, false);
  store.writes[0].succeed();
  await commit;
});

Deno.test("GroupCommit: a failed write rejects its own items only", async () => {
  const store = new Store();
  const commits = grouping(store);
  const lost = [commits.commit(1), commits.commit(2)];
  await store.written(1);
  const kept = commits.commit(3);
  store.writes[0].fail(new Error("disk full"));
  for (const commit of lost) await assert.rejects(commit, /disk full/);
  await store.written(2);
  store.writes[1].succeed();
  await kept;
});

Deno.test("GroupCommit: holds the limits of a batch, and takes what is larger alone", async () => {
  const store = new Store();
  const commits = grouping(store, { maxWrites: 100 });
  const commit = Promise.all(
    [1, 1, 1, 1, 1, 600, 500, 5000, 1].map((item) => commits.commit(item)),
  );
  await store.written(5);
  assert.deepEqual(store.batches, [[1, 1, 1, 1], [1, 600], [500], [5000], [1]]);
  store.writes.forEach(({ succeed }) => succeed());
  await commit;
});

Deno.test("GroupCommit: has no more writes under way than it may", async () => {
  const store = new Store();
  const commits = grouping(store, { maxItems: 1, maxWrites: 2 });
  const all = [1, 2, 3].map((item) => commits.commit(item));
  await store.written(2);
  await turn();
  assert.equal(store.writes.length, 2);
  store.writes[1].succeed();
  await all[1];
  await store.written(3);
  store.writes[0].succeed();
  store.writes[2].succeed();
  await Promise.all(all);
});

Deno.test("GroupCommit: every item is written once, in order, whatever comes and fails", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(sizes, fc.array(fc.boolean(), { maxLength: 5 }), async (items, failures) => {
      const written: number[] = [];
      const outcomes: boolean[] = [];
      let writes = 0;
      const commits = grouping(new Store(), {
        write: async (batch) => {
          const fails = failures[writes++] ?? false;
          assert.ok(batch.length <= 4);
          assert.ok(batch.length === 1 || batch.reduce((a, b) => a + b) <= 1000);
          written.push(...batch);
          outcomes.push(...batch.map(() => !fails));
          await Promise.resolve();
          if (fails) throw new Error("no");
        },
      });
      const ended = await Promise.allSettled(items.map((item) => commits.commit(item)));
      assert.deepEqual(written, items);
      assert.deepEqual(ended.map(({ status }) => status === "fulfilled"), outcomes);
    }),
    { numRuns: 50 },
  );
});
