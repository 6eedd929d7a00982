/** What all greylists promise, tested through two clients of one store. */
import assert from "node:assert/strict";
import type { Greylist, GreylistQuery } from "./greylist.ts";

/** An empty store of its own for each test. */
export interface GreylistStore extends AsyncDisposable {
  /** Another client of the store. */
  open(): Greylist & Partial<AsyncDisposable>;
}

export interface GreylistSuite {
  /** What the tests' names start with. */
  readonly name: string;
  /** @param now the clock that store and clients go by. */
  readonly openStore: (now: () => number) => Promise<GreylistStore>;
  readonly ignore?: boolean;
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Registers the tests all greylists have to pass. */
export function testGreylist(suite: GreylistSuite): void {
  const test = (
    name: string,
    run: (world: { a: Greylist; b: Greylist; clock: { nowMs: number } }) => Promise<void>,
  ) =>
    Deno.test(`${suite.name}: ${name}`, { ignore: suite.ignore ?? false }, async () => {
      const clock = { nowMs: 1_700_000_000_000 };
      await using store = await suite.openStore(() => clock.nowMs);
      const [a, b] = [store.open(), store.open()];
      try {
        await run({ a, b, clock });
      } finally {
        await a[Symbol.asyncDispose]?.();
        await b[Symbol.asyncDispose]?.();
      }
    });

  const query = (change: Partial<GreylistQuery> = {}): GreylistQuery => ({
    senders: [],
    triplets: ["t"],
    isVouchedFor: false,
    delayMs: 5 * MINUTE,
    windowMs: 2 * DAY,
    trustMs: 36 * DAY,
    ...change,
  });
  const sender = (key: string, passes = 1) => ({ senders: [{ key, passes }] });
  const waiting = (retryAfterMs: number, isNew: boolean) => ({
    ...{ kind: "waiting" as const, isNew, retryAfterMs },
  });
  const TRUSTED = { kind: "trusted" } as const;
  const PASSED = { kind: "passed" } as const;

  test("what comes first waits, passes once it has, and is trusted from then on", async (world) => {
    const { a, b, clock } = world;
    assert.deepEqual(await a.ask(query()), waiting(5 * MINUTE, true));
    clock.nowMs += MINUTE;
    // To come again too early makes nothing later.
    assert.deepEqual(await b.ask(query()), waiting(4 * MINUTE, false));
    clock.nowMs += 4 * MINUTE - 1;
    assert.deepEqual(await b.ask(query()), waiting(1, false));
    clock.nowMs += 1;
    assert.deepEqual(await b.ask(query()), PASSED);
    assert.deepEqual(await a.ask(query()), TRUSTED);
    assert.deepEqual(await a.ask(query({ triplets: ["other"] })), waiting(5 * MINUTE, true));
  });

  test("what comes again after its window is new", async ({ a, clock }) => {
    await a.ask(query());
    clock.nowMs += 2 * DAY - 1;
    await a.ask(query({ triplets: ["u"] }));
    clock.nowMs += 1;
    assert.deepEqual(await a.ask(query()), waiting(5 * MINUTE, true));
    clock.nowMs += 2 * DAY - 1;
    assert.deepEqual(await a.ask(query()), PASSED);
  });

  test("one triplet that has waited is enough, and brings the others along", async (world) => {
    const { a, b, clock } = world;
    await a.ask(query({ triplets: ["t"] }));
    clock.nowMs += 4 * MINUTE;
    assert.deepEqual(
      await a.ask(query({ triplets: ["u", "t", "v", "u"] })),
      waiting(MINUTE, false),
    );
    clock.nowMs += MINUTE;
    assert.deepEqual(await b.ask(query({ triplets: ["u", "w"] })), waiting(4 * MINUTE, false));
    assert.deepEqual(await b.ask(query({ triplets: ["w", "t"] })), PASSED);
    assert.deepEqual(await a.ask(query({ triplets: ["x", "w"] })), TRUSTED);
    assert.deepEqual(await a.ask(query({ triplets: ["u"] })), waiting(4 * MINUTE, false));
  });

  test("a sender is trusted once his mail came again, whatever he sends", async ({ a, b, clock }) => {
    await a.ask(query(sender("ann")));
    assert.deepEqual(
      await a.ask(query({ ...sender("ann"), triplets: ["u"] })),
      waiting(5 * MINUTE, true),
    );
    clock.nowMs += 5 * MINUTE;
    assert.deepEqual(await a.ask(query(sender("ann"))), PASSED);
    assert.deepEqual(await b.ask(query({ ...sender("ann"), triplets: ["v"] })), TRUSTED);
    assert.deepEqual(
      await b.ask(query({ ...sender("bob"), triplets: ["w"] })),
      waiting(5 * MINUTE, true),
    );
    // To be trusted leaves nothing waiting that could pass later.
    clock.nowMs += 5 * MINUTE;
    assert.deepEqual(await b.ask(query({ triplets: ["v"] })), waiting(5 * MINUTE, true));
  });

  test("a sender may have to pass more than once, and one of several is enough", async (world) => {
    const { a, b, clock } = world;
    const both = { senders: [...sender("slow", 2).senders, ...sender("quick").senders] };
    await a.ask(query(sender("slow", 2)));
    clock.nowMs += 5 * MINUTE;
    assert.deepEqual(await a.ask(query(sender("slow", 2))), PASSED);
    // A triplet that is trusted does not count as another pass.
    assert.deepEqual(await a.ask(query(sender("slow", 2))), TRUSTED);
    assert.equal((await a.ask(query({ ...both, triplets: ["u"] }))).kind, "waiting");
    clock.nowMs += 5 * MINUTE;
    assert.deepEqual(await b.ask(query({ ...both, triplets: ["u"] })), PASSED);
    for (const one of [sender("slow", 2), sender("quick")]) {
      assert.deepEqual(await a.ask(query({ ...one, triplets: ["v"] })), TRUSTED);
    }
    assert.equal((await a.ask(query({ ...sender("slow", 3), triplets: ["v"] }))).kind, "waiting");
  });

  test("a sender named twice has passed once", async ({ a, clock }) => {
    const twice = { senders: [...sender("ann", 2).senders, ...sender("ann", 2).senders] };
    await a.ask(query(twice));
    clock.nowMs += 5 * MINUTE;
    assert.deepEqual(await a.ask(query(twice)), PASSED);
    assert.equal((await a.ask(query({ ...twice, triplets: ["u"] }))).kind, "waiting");
  });

  test("whom someone vouches for is trusted at once and later on", async ({ a, b, clock }) => {
    const ann = { ...sender("ann", 3), triplets: [] };
    assert.deepEqual(await a.ask(query({ ...ann, isVouchedFor: true })), TRUSTED);
    clock.nowMs += 36 * DAY - 1;
    assert.deepEqual(await b.ask(query({ ...ann, isVouchedFor: true })), TRUSTED);
    clock.nowMs += 36 * DAY - 1;
    assert.deepEqual(await b.ask(query(sender("ann", 3))), TRUSTED);
    assert.equal((await b.ask(query(sender("ann", 4)))).kind, "waiting");
    // What was vouched for with the triplet left none waiting, and makes none trusted.
    assert.deepEqual(await a.ask(query({ triplets: ["u"], isVouchedFor: true })), TRUSTED);
    assert.deepEqual(await a.ask(query({ triplets: ["u"] })), waiting(5 * MINUTE, true));
  });

  test("trust ends some time after its last use", async ({ a, clock }) => {
    const both = query(sender("ann"));
    await a.ask(both);
    clock.nowMs += 5 * MINUTE;
    await a.ask(both);
    clock.nowMs += 36 * DAY - 1;
    assert.deepEqual(await a.ask(query()), TRUSTED);
    // That renewed the triplet, not the sender.
    clock.nowMs += 1;
    assert.equal((await a.ask(query({ ...sender("ann"), triplets: ["u"] }))).kind, "waiting");
    clock.nowMs += 36 * DAY - 2;
    assert.deepEqual(await a.ask(query()), TRUSTED);
    clock.nowMs += 36 * DAY;
    assert.deepEqual(await a.ask(query()), waiting(5 * MINUTE, true));
  });

  test("when trust is over before the window is, one has to wait anew", async ({ a, clock }) => {
    const shortly = query({ trustMs: 10 * MINUTE });
    await a.ask(shortly);
    clock.nowMs += 5 * MINUTE;
    assert.deepEqual(await a.ask(shortly), PASSED);
    clock.nowMs += 10 * MINUTE;
    assert.deepEqual(await a.ask(shortly), waiting(5 * MINUTE, true));
  });

  test("without a delay mail still has to come twice", async ({ a }) => {
    assert.equal((await a.ask(query({ delayMs: 0 }))).kind, "waiting");
    assert.deepEqual(await a.ask(query({ delayMs: 0 })), PASSED);
  });

  test("a clock that goes back keeps nobody waiting for longer than the delay", async (world) => {
    const { a, clock } = world;
    await a.ask(query());
    clock.nowMs -= DAY;
    assert.deepEqual(await a.ask(query()), waiting(5 * MINUTE, false));
  });

  test("a question at once by two is answered alike, and waits once", async ({ a, b, clock }) => {
    const answers = await Promise.all([a, b, a, b].map((client) => client.ask(query())));
    assert.deepEqual(answers.map(({ kind }) => kind), new Array(4).fill("waiting"));
    clock.nowMs += 5 * MINUTE;
    const again = await Promise.all([a, b, a, b].map((client) => client.ask(query())));
    assert.deepEqual(again.map(({ kind }) => kind).sort(), [
      ...["passed", "trusted", "trusted", "trusted"],
    ]);
  });

  test("keys and numbers outside of the contract are the caller's fault", async ({ a }) => {
    const longest = "k".repeat(256);
    assert.equal((await a.ask(query({ ...sender(longest), triplets: [longest] }))).kind, "waiting");
    for (const key of ["", "k".repeat(257), "tab\t", "é"]) {
      await assert.rejects(a.ask(query(sender(key))), RangeError, key);
      await assert.rejects(a.ask(query({ triplets: [key] })), RangeError, key);
    }
    for (const wrong of [-1, 0.5, NaN, Infinity]) {
      for (const name of ["delayMs", "windowMs", "trustMs"]) {
        await assert.rejects(a.ask(query({ [name]: wrong })), RangeError, name);
      }
      await assert.rejects(a.ask(query(sender("ann", wrong))), RangeError);
    }
    await assert.rejects(a.ask(query({ windowMs: 5 * MINUTE })), RangeError);
    const many = Array.from({ length: 17 }, (_, i) => `k${i}`);
    await assert.rejects(a.ask(query({ triplets: many })), RangeError);
    const senders = many.map((key) => ({ key, passes: 1 }));
    await assert.rejects(a.ask(query({ senders })), RangeError);
  });
}
