/** What all meters promise, tested through two clients of one store. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { MeterClaim, Meters } from "./meters.ts";

/** An empty store of its own for each test. */
export interface MeterStore extends AsyncDisposable {
  /** Another client of the store. */
  open(): Meters & Partial<AsyncDisposable>;
}

export interface MeterSuite {
  /** What the tests' names start with. */
  readonly name: string;
  /** @param now the clock that store and clients go by. */
  readonly openStore: (now: () => number) => Promise<MeterStore>;
  readonly ignore?: boolean;
}

const START_MS = 1_700_000_000_000;
const MINUTE = 60_000;
const GRANTED = { kind: "granted" } as const;

/** A leaky bucket by its textbook, in fractions: what is in it, a `periodMs`-th being one. */
class Bucket {
  #heldParts = 0n;
  #atMs = 0n;

  constructor(private readonly rate: Pick<MeterClaim, "burst" | "periodMs">) {}

  take(amount: number, nowMs: number): boolean {
    const [burst, periodMs] = [BigInt(this.rate.burst), BigInt(this.rate.periodMs)];
    const leaked = (BigInt(nowMs) - this.#atMs) * burst;
    this.#heldParts = leaked > this.#heldParts ? 0n : this.#heldParts - leaked;
    this.#atMs = BigInt(nowMs);
    const wanted = this.#heldParts + BigInt(amount) * periodMs;
    if (wanted > burst * periodMs) return false;
    this.#heldParts = wanted;
    return true;
  }
}

/** Registers the tests all meters have to pass. */
export function testMeters(suite: MeterSuite): void {
  const test = (
    name: string,
    run: (world: { a: Meters; b: Meters; clock: { nowMs: number } }) => Promise<void>,
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

  const claim = (change: Partial<MeterClaim> = {}): MeterClaim => ({
    ...{ key: "k", burst: 10, periodMs: MINUTE, amount: 1 },
    ...change,
  });

  test("a burst passes at once, then one comes free after another, for all clients", async (w) => {
    const { a, b, clock } = w;
    for (let i = 0; i < 10; i++) assert.deepEqual(await (i % 2 ? a : b).pass([claim()]), GRANTED);
    const refused = { kind: "refused", claim: 0, retryAfterMs: 6_000 } as const;
    assert.deepEqual(await a.pass([claim()]), refused);
    assert.deepEqual(await b.pass([claim({ amount: 3 })]), { ...refused, retryAfterMs: 18_000 });
    clock.nowMs += 5_999;
    assert.deepEqual(await b.pass([claim()]), { ...refused, retryAfterMs: 1 });
    clock.nowMs += 1;
    assert.deepEqual(await b.pass([claim()]), GRANTED);
    assert.equal((await a.pass([claim()])).kind, "refused");
    clock.nowMs += MINUTE;
    assert.deepEqual(await a.pass([claim({ amount: 10 })]), GRANTED);
    assert.equal((await a.pass([claim()])).kind, "refused");
  });

  test("meters of other keys and other rates are other meters", async ({ a }) => {
    assert.deepEqual(await a.pass([claim({ amount: 10 })]), GRANTED);
    for (const other of [{ key: "other" }, { burst: 11 }, { periodMs: MINUTE + 1 }]) {
      assert.deepEqual(await a.pass([claim({ ...other, amount: 10 })]), GRANTED);
    }
    assert.equal((await a.pass([claim()])).kind, "refused");
  });

  test("all claims count or none, and the first not to fit is named", async ({ a, b }) => {
    await a.pass([claim({ key: "full", amount: 10 })]);
    const passage = await a.pass([
      claim({ key: "x", amount: 10 }),
      claim({ key: "full", amount: 2 }),
      claim({ key: "y", amount: 11 }),
    ]);
    assert.deepEqual(passage, { kind: "refused", claim: 1, retryAfterMs: 12_000 });
    const both = [claim({ key: "x", amount: 10 }), claim({ key: "y", amount: 10 })];
    assert.deepEqual(await b.pass(both), GRANTED);
  });

  test("one meter claimed twice is asked for the sum", async ({ a }) => {
    const six = claim({ amount: 6 });
    assert.deepEqual(await a.pass([six, six]), { kind: "refused", claim: 1, retryAfterMs: 1 });
    assert.deepEqual(await a.pass([claim({ amount: 5 }), claim({ amount: 5 })]), GRANTED);
    const passage = await a.pass([claim({ amount: 2 }), claim({ amount: 3 })]);
    assert.deepEqual(passage, { kind: "refused", claim: 0, retryAfterMs: 12_000 });
  });

  test("what never fits is told when its meter is empty", async ({ a }) => {
    await a.pass([claim({ amount: 5 })]);
    const passage = await a.pass([claim({ amount: 11 })]);
    assert.deepEqual(passage, { kind: "refused", claim: 0, retryAfterMs: 30_000 });
  });

  test("claims at once pass exactly as often as the burst allows", async ({ a, b }) => {
    const passages = await Promise.all(
      Array.from({ length: 60 }, (_, i) => (i % 2 ? a : b).pass([claim({ burst: 25 })])),
    );
    assert.equal(passages.filter(({ kind }) => kind === "granted").length, 25);
  });

  test("they let pass what a leaky bucket does, and tell when it would", async ({ a, b, clock }) => {
    let run = 0;
    const rate = fc.record({
      burst: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(1_000, 899_981)),
      periodMs: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom(MINUTE, 7_777)),
    });
    // Parts of the burst and of the period, so that meters fill and empty whatever their rate is.
    const step = fc.record({
      amount: fc.double({ min: 0, max: 1.1, noNaN: true }),
      pause: fc.double({ min: 0, max: 0.6, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(
        rate,
        fc.array(step, { minLength: 1, maxLength: 12 }),
        async (rate, steps) => {
          clock.nowMs = START_MS;
          const key = `run ${run++}`;
          const bucket = new Bucket(rate);
          for (const [at, { amount: share, pause }] of steps.entries()) {
            clock.nowMs += Math.floor(pause * rate.periodMs);
            const amount = Math.max(1, Math.round(share * rate.burst));
            const asked = [{ key, ...rate, amount }];
            const passage = await (at % 2 ? a : b).pass(asked);
            assert.equal(passage.kind === "granted", bucket.take(amount, clock.nowMs));
            if (passage.kind === "granted") continue;
            const { retryAfterMs } = passage;
            assert.ok(Number.isSafeInteger(retryAfterMs) && retryAfterMs > 0, `${retryAfterMs}`);
            if (amount > rate.burst) continue;
            clock.nowMs += retryAfterMs - 1;
            assert.equal((await a.pass(asked)).kind, "refused");
            clock.nowMs += 1;
            assert.deepEqual(await b.pass(asked), GRANTED);
            assert.ok(bucket.take(amount, clock.nowMs));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("a clock that goes back forgets nothing and keeps nobody out for longer", async (world) => {
    const { a, clock } = world;
    await a.pass([claim({ amount: 10 })]);
    clock.nowMs -= 10 * MINUTE;
    assert.deepEqual(await a.pass([claim()]), { kind: "refused", claim: 0, retryAfterMs: 6_000 });
    clock.nowMs += 6_000;
    // What was written then still says that it was full, and is believed as far as a meter goes.
    const passage = await a.pass([claim()]);
    assert.ok(passage.kind === "refused" && passage.retryAfterMs <= 6_000);
    clock.nowMs += 11 * MINUTE;
    assert.deepEqual(await a.pass([claim({ amount: 10 })]), GRANTED);
  });

  test("nothing asked is nothing done", async ({ a }) => {
    assert.deepEqual(await a.pass([]), GRANTED);
  });

  test("keys and numbers outside of the contract are the caller's fault", async ({ a }) => {
    const most = { key: "k".repeat(256), burst: 1e6, amount: 1e6, periodMs: 31 * 24 * 60 * MINUTE };
    assert.deepEqual(await a.pass([most]), GRANTED);
    assert.deepEqual(await a.pass([most]), {
      ...{ kind: "refused", claim: 0 },
      retryAfterMs: most.periodMs,
    });
    for (const key of ["", "k".repeat(257), "tab\t", "é"]) {
      await assert.rejects(a.pass([claim({ key })]), RangeError, key);
    }
    for (const wrong of [0, -1, 0.5, NaN, Infinity]) {
      await assert.rejects(a.pass([claim({ amount: wrong })]), RangeError);
      await assert.rejects(a.pass([claim({ burst: wrong })]), RangeError);
      await assert.rejects(a.pass([claim({ periodMs: wrong })]), RangeError);
    }
    const many = Array.from({ length: 65 }, (_, i) => claim({ key: `k${i}` }));
    await assert.rejects(a.pass(many), RangeError);
  });
}
