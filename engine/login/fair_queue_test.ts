import assert from "node:assert/strict";
import { FairQueue } from "./fair_queue.ts";

/** A queue whose work ends when it is told to, and in which order it was begun. */
function world(limits = { atOnce: 2, maxWaiting: 8, maxWaitingPerOrigin: 4 }) {
  const queue = new FairQueue(limits);
  const begun: string[] = [];
  const running = new Map<string, () => void>();
  let most = 0;
  return {
    begun,
    get most() {
      return most;
    },
    /** Of the origin that the name begins with; favoured where that is in capitals. */
    run(name: string) {
      const isFavoured = /^[A-Z]/.test(name);
      return queue.run(name[0].toLowerCase(), () => {
        begun.push(name);
        return new Promise<string>((resolve) => {
          running.set(name, () => {
            running.delete(name);
            resolve(name);
          });
          most = Math.max(most, running.size);
        });
      }, { isFavoured });
    },
    async end(name: string) {
      running.get(name)!();
      await new Promise((resolve) => setTimeout(resolve));
    },
    async endAll() {
      while (running.size > 0) await this.end([...running.keys()][0]);
    },
  };
}

Deno.test("FairQueue: so many at once, of each origin one", async () => {
  const w = world();
  const ends = ["a1", "a2", "b1", "c1"].map((name) => w.run(name));
  assert.deepEqual(w.begun, ["a1", "b1"]);
  await w.endAll();
  assert.deepEqual(await Promise.all(ends), ["a1", "a2", "b1", "c1"]);
  assert.equal(w.most, 2);
});

Deno.test("FairQueue: one who asks for much waits for himself, not others for him", async () => {
  const w = world();
  for (const name of ["a1", "a2", "a3", "a4"]) void w.run(name);
  void w.run("b1");
  assert.deepEqual(w.begun, ["a1", "b1"]);
  for (const name of ["c1", "d1"]) void w.run(name);
  await w.end("a1");
  assert.deepEqual(w.begun.slice(2), ["a2"]);
  await w.end("a2");
  assert.deepEqual(w.begun.slice(3), ["c1"]);
  await w.end("c1");
  assert.deepEqual(w.begun.slice(4), ["d1"]);
  await w.endAll();
  assert.deepEqual(w.begun.slice(5), ["a3", "a4"]);
});

Deno.test("FairQueue: above what one origin may let wait, it is turned away", async () => {
  const w = world();
  const ends = Array.from({ length: 6 }, (_, i) => w.run(`a${i}`));
  assert.equal(await ends[5], "busy");
  await w.endAll();
  assert.deepEqual(await Promise.all(ends), ["a0", "a1", "a2", "a3", "a4", "busy"]);
});

Deno.test("FairQueue: when full, a first turn displaces one of him who waits for most", async () => {
  const w = world({ atOnce: 1, maxWaiting: 4, maxWaitingPerOrigin: 3 });
  const ends = ["x1", "a1", "a2", "a3", "b1"].map((name) => w.run(name));
  const c = w.run("c1");
  assert.equal(await ends[3], "busy");
  assert.equal(await w.run("b2"), "busy");
  const d = w.run("d1");
  assert.equal(await ends[2], "busy");
  assert.equal(await w.run("e1"), "busy");
  await w.endAll();
  assert.deepEqual(await Promise.all([c, d]), ["c1", "d1"]);
});

Deno.test("FairQueue: work that fails makes room all the same", async () => {
  const queue = new FairQueue({ atOnce: 1, maxWaiting: 1, maxWaitingPerOrigin: 1 });
  const isFavoured = false;
  const fail = () => Promise.reject(new Error("no"));
  const failed = assert.rejects(queue.run("a", fail, { isFavoured }), /no/);
  const next = queue.run("a", () => Promise.resolve("yes"), { isFavoured });
  await failed;
  assert.equal(await next, "yes");
});

Deno.test("FairQueue: any number of strangers leave room for the favoured, who go first", async () => {
  const w = world({ atOnce: 1, maxWaiting: 3, maxWaitingPerOrigin: 2 });
  const strangers = ["x1", "a1", "b1", "c1", "d1"].map((name) => w.run(name));
  assert.equal(await strangers[4], "busy");
  const favoured = ["E1", "F1", "A1", "G1"].map((name) => w.run(name));
  assert.equal(await favoured[3], "busy");
  await w.endAll();
  assert.deepEqual(w.begun, ["x1", "E1", "F1", "A1", "a1", "b1", "c1"]);
  assert.deepEqual(await Promise.all(favoured), ["E1", "F1", "A1", "busy"]);
});

Deno.test("FairQueue: of one origin one at once, favoured or not", async () => {
  const w = world();
  const ends = ["a1", "A1"].map((name) => w.run(name));
  assert.deepEqual(w.begun, ["a1"]);
  await w.endAll();
  assert.deepEqual(await Promise.all(ends), ["a1", "A1"]);
  assert.equal(w.most, 1);
});
