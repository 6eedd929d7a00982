/** What all counters promise, tested through two clients of one store. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Claim, Counters } from "./counters.ts";

/** An empty store of its own for each test. */
export interface CounterStore extends AsyncDisposable {
  /** Another client of the store. */
  open(): Counters & Partial<AsyncDisposable>;
}

export interface CounterSuite {
  /** What the tests' names start with. */
  readonly name: string;
  /** @param now the clock that store and clients go by. */
  readonly openStore: (now: () => number) => Promise<CounterStore>;
  readonly ignore?: boolean;
}

/** A bucket of the windows of the tests begins here. */
const START_MS = 1_700_000_040_000;
const MINUTE = 60_000;

export interface TestClock {
  nowMs: number;
}

/** Registers the tests all counters have to pass. */
export function testCounters(suite: CounterSuite): void {
  const test = (
    name: string,
    run: (clients: { a: Counters; b: Counters; clock: TestClock }) => Promise<void>,
  ) =>
    Deno.test(`${suite.name}: ${name}`, { ignore: suite.ignore ?? false }, async () => {
      const clock = { nowMs: START_MS };
      await using store = await suite.openStore(() => clock.nowMs);
      const [a, b] = [store.open(), store.open()];
      try {
        await run({ a, b, clock });
      } finally {
        await a[Symbol.asyncDispose]?.();
        await b[Symbol.asyncDispose]?.();
      }
    });

  const minute = { key: "k", windowMs: MINUTE };

  test("add answers what each window then holds, for all clients", async ({ a, b }) => {
    const hour = { key: "k", windowMs: 60 * MINUTE };
    const other = { key: "other key", windowMs: MINUTE };
    assert.deepEqual(await a.read([minute, hour, other]), [0, 0, 0]);
    const counts = [{ ...minute, amount: 3 }, { ...hour, amount: 5 }];
    assert.deepEqual(await a.add(counts), [3, 5]);
    assert.deepEqual(await b.add(counts), [6, 10]);
    assert.deepEqual(await a.read([other, hour, minute]), [0, 10, 6]);
    assert.deepEqual(await a.add([{ ...minute, amount: 1 }, { ...minute, amount: 1 }]), [7, 8]);
  });

  test("a window slides: the bucket before weighs by the part still covered", async (test) => {
    const { a, clock } = test;
    await a.add([{ ...minute, amount: 12 }]);
    const held = async (afterMs: number) => {
      clock.nowMs = START_MS + afterMs;
      return (await a.read([minute]))[0];
    };
    assert.equal(await held(MINUTE - 1), 12);
    assert.equal(await held(MINUTE), 12);
    assert.equal(await held(1.25 * MINUTE), 9);
    // What is left of one is not yet nothing.
    assert.equal(await held(2 * MINUTE - 1), 1);
    assert.equal(await held(2 * MINUTE), 0);
  });

  test("a window not counted in for long holds nothing of what it held", async ({ a, clock }) => {
    await a.add([{ ...minute, amount: 12 }]);
    clock.nowMs += 5 * MINUTE;
    assert.deepEqual(await a.add([{ ...minute, amount: 1 }]), [1]);
  });

  test("take grants up to the limit, and counts nothing beyond it", async ({ a, b }) => {
    const claim = { ...minute, limit: 10, amount: 4 };
    assert.deepEqual(await a.take([claim]), { kind: "granted" });
    assert.deepEqual(await b.take([claim]), { kind: "granted" });
    assert.equal((await a.take([claim])).kind, "refused");
    assert.deepEqual(await b.read([minute]), [8]);
    assert.deepEqual(await b.take([{ ...claim, amount: 2 }]), { kind: "granted" });
    assert.deepEqual(await a.read([minute]), [10]);
  });

  test("take counts for all claims or for none, and names the first not to fit", async ({ a }) => {
    const claim = (key: string, amount: number) => ({ ...minute, key, amount, limit: 5 });
    await a.add([{ ...minute, key: "full", amount: 5 }]);
    const taken = await a.take([claim("x", 1), claim("full", 1), claim("y", 9)]);
    assert.deepEqual(taken, { kind: "refused", claim: 1, retryAfterMs: MINUTE + 12_000 });
    const windows = ["x", "full", "y"].map((key) => ({ ...minute, key }));
    assert.deepEqual(await a.read(windows), [0, 5, 0]);
  });

  test("one window claimed twice is asked for the sum", async ({ a }) => {
    const claim = { ...minute, limit: 10, amount: 6 };
    const taken = await a.take([claim, claim]);
    assert.equal(taken.kind === "refused" && taken.claim, 1);
    assert.deepEqual(await a.take([{ ...claim, amount: 5 }, { ...claim, amount: 5 }]), {
      kind: "granted",
    });
    assert.deepEqual(await a.read([minute]), [10]);
  });

  test("asking for nothing counts nothing, and tells whether the limit is kept", async ({ a }) => {
    const claim = { ...minute, limit: 4, amount: 0 };
    assert.deepEqual(await a.take([claim]), { kind: "granted" });
    await a.add([{ ...minute, amount: 4 }]);
    assert.deepEqual(await a.take([claim]), { kind: "granted" });
    await a.add([{ ...minute, amount: 1 }]);
    const taken = await a.take([claim]);
    assert.deepEqual(taken, { kind: "refused", claim: 0, retryAfterMs: MINUTE + MINUTE / 5 });
  });

  test("what never fits is told when its window is empty", async ({ a, clock }) => {
    clock.nowMs += 10_000;
    const taken = await a.take([{ ...minute, limit: 3, amount: 4 }]);
    assert.deepEqual(taken, { kind: "refused", claim: 0, retryAfterMs: 2 * MINUTE - 10_000 });
  });

  test("takes at once are granted exactly as often as the limit allows", async ({ a, b }) => {
    const claim = { ...minute, limit: 25, amount: 1 };
    const taken = await Promise.all(
      Array.from({ length: 100 }, (_, i) => (i % 2 ? a : b).take([claim])),
    );
    assert.equal(taken.filter(({ kind }) => kind === "granted").length, 25);
  });

  test("retryAfterMs is when the claim fits, and no sooner", async ({ a, clock }) => {
    let run = 0;
    const amount = fc.nat(20);
    await fc.assert(
      fc.asyncProperty(
        fc.record({ before: amount, then: amount, limit: amount, ask: amount }),
        fc.record({ skipMs: fc.nat(MINUTE - 1), windowMs: fc.constantFrom(MINUTE, 7_777) }),
        async ({ before, then, limit, ask }, { skipMs, windowMs }) => {
          clock.nowMs = START_MS;
          const window = { key: `run ${run++}`, windowMs };
          const claim: Claim = { ...window, limit: limit + ask, amount: ask };
          await a.add([{ ...window, amount: before }]);
          clock.nowMs += windowMs;
          await a.add([{ ...window, amount: then }]);
          clock.nowMs += skipMs % windowMs;
          const taken = await a.take([claim]);
          if (taken.kind === "granted") return;
          const { retryAfterMs } = taken;
          assert.ok(Number.isSafeInteger(retryAfterMs) && retryAfterMs > 0, `${retryAfterMs}`);
          clock.nowMs += retryAfterMs - 1;
          assert.equal((await a.take([claim])).kind, "refused");
          clock.nowMs += 1;
          assert.deepEqual(await a.take([claim]), { kind: "granted" });
        },
      ),
      { numRuns: 50 },
    );
  });

  test("giveBack takes back what was counted, and no more than that", async ({ a, b, clock }) => {
    const claim = { ...minute, limit: 10, amount: 10 };
    await a.take([claim]);
    assert.equal((await b.take([{ ...claim, amount: 1 }])).kind, "refused");
    await a.giveBack([{ ...minute, amount: 4 }, { ...minute, key: "never counted", amount: 4 }]);
    assert.deepEqual(await b.read([minute]), [6]);
    clock.nowMs += MINUTE;
    await a.add([{ ...minute, amount: 1 }]);
    // Counted in the bucket before.
    await b.giveBack([{ ...minute, amount: 3 }]);
    assert.deepEqual(await a.read([minute]), [4]);
    await b.giveBack([{ ...minute, amount: 9 }]);
    assert.deepEqual(await a.take([claim]), { kind: "granted" });
    assert.deepEqual(await a.read([minute]), [10]);
  });

  test("reset forgets what it names", async ({ a, b }) => {
    const other = { key: "other", windowMs: MINUTE };
    await a.add([{ ...minute, amount: 3 }, { ...other, amount: 4 }]);
    await b.reset([minute, { key: "never counted", windowMs: MINUTE }]);
    assert.deepEqual(await a.read([minute, other]), [0, 4]);
  });

  test("a clock that goes back a bucket forgets nothing, one that was far off all", async (test) => {
    const { a, clock } = test;
    await a.add([{ ...minute, amount: 3 }]);
    clock.nowMs = START_MS - 1;
    assert.deepEqual(await a.add([{ ...minute, amount: 1 }]), [4]);
    clock.nowMs = START_MS - 10 * MINUTE;
    assert.deepEqual(await a.add([{ ...minute, amount: 1 }]), [1]);
  });

  test("nothing asked is nothing done", async ({ a }) => {
    assert.deepEqual(await a.take([]), { kind: "granted" });
    assert.deepEqual(await a.add([]), []);
    assert.deepEqual(await a.read([]), []);
    await a.giveBack([]);
    await a.reset([]);
  });

  test("keys and numbers outside of the contract are the caller's fault", async ({ a }) => {
    const longest = { ...minute, key: "k".repeat(256), amount: 1 };
    assert.deepEqual(await a.add([longest]), [1]);
    for (const key of ["", "k".repeat(257), "tab\t", "é"]) {
      await assert.rejects(a.read([{ ...minute, key }]), RangeError, key);
    }
    for (const amount of [-1, 0.5, NaN]) {
      await assert.rejects(a.add([{ ...minute, amount }]), RangeError);
      await assert.rejects(a.giveBack([{ ...minute, amount }]), RangeError);
      await assert.rejects(a.take([{ ...minute, amount, limit: 1 }]), RangeError);
    }
    for (const windowMs of [0, -1, 0.5, Infinity]) {
      await assert.rejects(a.reset([{ ...minute, windowMs }]), RangeError);
    }
    const many = Array.from({ length: 65 }, (_, i) => ({ ...minute, key: `k${i}` }));
    await assert.rejects(a.read(many), RangeError);
  });
}
