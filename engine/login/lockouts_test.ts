import assert from "node:assert/strict";
import type { Authenticator } from "./authenticator.ts";
import { failureDelayMs } from "./lockouts.ts";
import { AWAY, HOME, quickHash, said, told, world } from "./testdata/login_world.ts";

Deno.test("failureDelayMs: a step more for each failure, five at the most", () => {
  const delays = [0, 1, 2, 5, 6, 1_000].map((failures) =>
    failureDelayMs(failures, { stepMs: 1_000 })
  );
  assert.deepEqual(delays, [1_000, 1_000, 2_000, 5_000, 5_000, 5_000]);
  assert.equal(failureDelayMs(7, { stepMs: 0 }), 0);
});

Deno.test("Lockouts: ten failures lock an address out, without a hash", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const auth = w.open();
  for (let i = 0; i < 10; i++) {
    assert.equal(told(await auth.authenticate(said("ann", `wrong ${i}`), HOME)), "wrong_password");
  }
  w.compared.length = 0;
  const result = await auth.authenticate(said("ann", "right"), HOME);
  assert.ok(result.kind === "locked_out" && result.scope === "address");
  assert.deepEqual(w.compared, []);
  assert.equal(told(await auth.authenticate(said("ann", "right"), AWAY)), "granted ann");
  w.state.nowMs += result.retryAfterMs - 1;
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "locked out: address");
  w.state.nowMs += 1;
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "granted ann");
});

Deno.test("Lockouts: every sort of failure counts, from anywhere in a /64", async () => {
  const w = world({ limits: { addressFailures: 4 } });
  w.put("ann", quickHash("right"));
  const auth = w.open();
  const from = (host: string) => ({ address: `2001:db8:0:1::${host}` });
  await auth.authenticate(said("not a name", "x"), from("1"));
  await auth.authenticate(said("ann", "right", "bob"), from("2"));
  await auth.authenticate(said("nobody", "x"), from("3"));
  await auth.authenticate(said("ann", "wrong"), from("4"));
  const result = await auth.authenticate(said("ann", "right"), from("5"));
  assert.equal(told(result), "locked out: address");
  const other = await auth.authenticate(said("ann", "right"), { address: "2001:db8:0:2::1" });
  assert.equal(told(other), "granted ann");
});

Deno.test("Lockouts: an account of one's own pays for no guesses at others'", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  w.put("eve", quickHash("eve"));
  const auth = w.open();
  let guesses = 0;
  for (let i = 0; i < 100; i++) {
    await auth.authenticate(said("eve", "eve"), AWAY);
    if (told(await auth.authenticate(said("ann", `guess ${i}`), AWAY)) === "wrong_password") {
      guesses++;
    }
  }
  assert.equal(guesses, 10);
});

Deno.test("Lockouts: guesses made at once are no more than guesses one by one", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const auth = w.open();
  const results = await Promise.all(
    Array.from({ length: 200 }, (_, i) => auth.authenticate(said("ann", `guess ${i}`), AWAY)),
  );
  const count = (end: string) => results.filter((result) => told(result) === end).length;
  assert.equal(w.compared.length, 10);
  assert.equal(count("wrong_password"), 10);
  assert.equal(count("locked out: address"), 23);
  assert.equal(count("unavailable: busy"), 167);
});

Deno.test("Lockouts: two authenticators of one store lock out together", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const both = [w.open(), w.open()];
  for (let i = 0; i < 10; i++) {
    const result = await both[i % 2].authenticate(said("ann", `wrong ${i}`), HOME);
    assert.equal(told(result), "wrong_password");
  }
  for (const auth of both) {
    const result = await auth.authenticate(said("ann", "right"), HOME);
    assert.equal(told(result), "locked out: address");
  }
});

Deno.test("Lockouts: a user under attack still gets in from where he is known", async () => {
  const w = world({ limits: { userFailures: 6 } });
  w.put("ann", quickHash("right"));
  const auth = w.open();
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "granted ann");
  for (let i = 0; i < 6; i++) {
    await auth.authenticate(said("ann", `guess ${i}`), { address: `198.51.100.${10 + i}` });
  }
  w.compared.length = 0;
  const stranger = await auth.authenticate(said("ann", "right"), AWAY);
  assert.ok(stranger.kind === "locked_out" && stranger.scope === "user");
  assert.ok(stranger.retryAfterMs > 0 && stranger.retryAfterMs <= 2 * 3_600_000);
  assert.deepEqual(w.compared, []);
  // Another worker knows the address from the store.
  for (const each of [auth, w.open()]) {
    assert.equal(told(await each.authenticate(said("ann", "right"), HOME)), "granted ann");
  }
});

Deno.test("Lockouts: of a user, does not tell who exists", async () => {
  const w = world({ limits: { userFailures: 3 } });
  const auth = w.open();
  for (let i = 0; i < 3; i++) {
    await auth.authenticate(said("nobody", `guess ${i}`), { address: `198.51.100.${30 + i}` });
  }
  assert.equal(told(await auth.authenticate(said("nobody", "x"), AWAY)), "locked out: user");
});

Deno.test("Lockouts: an address is known for 30 days at the least, and not for ever", async () => {
  const w = world({ limits: { userFailures: 1, addressFailures: 1_000 } });
  w.put("ann", quickHash("right"));
  await w.open().authenticate(said("ann", "right"), HOME);
  const wrongFromHome = async () => {
    await w.open().authenticate(said("ann", "guess"), AWAY);
    return told(await w.open().authenticate(said("ann", "wrong"), HOME));
  };
  w.state.nowMs += 29.9 * 86_400_000;
  assert.equal(await wrongFromHome(), "wrong_password");
  w.state.nowMs += 31 * 86_400_000;
  assert.equal(await wrongFromHome(), "locked out: user");
});

Deno.test("Lockouts: what is remembered of a user helps no guesser", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  w.put("bob", quickHash("other"));
  const auth = w.open();
  await auth.authenticate(said("ann", "right"), HOME);
  for (let i = 0; i < 10; i++) await auth.authenticate(said("bob", `x ${i}`), AWAY);
  assert.equal(told(await auth.authenticate(said("ann", "right"), AWAY)), "locked out: address");
  // Nor one who shares the address with the user: guesses at this very name tell that he is locked out.
  for (let i = 0; i < 20; i++) await auth.authenticate(said("ann", `guess ${i}`), HOME);
  w.compared.length = 0;
  assert.equal(told(await auth.authenticate(said("ann", "guess"), HOME)), "locked out: address");
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "locked out: address");
  assert.deepEqual(w.compared, []);
});

Deno.test("Lockouts: a colleague behind the same address keeps out nobody who is known there", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  w.put("bob", quickHash("other"));
  const auth = w.open();
  await auth.authenticate(said("ann", "right"), HOME);
  for (let i = 0; i < 11; i++) await auth.authenticate(said("bob", `x ${i}`), HOME);
  assert.equal(told(await auth.authenticate(said("bob", "other"), HOME)), "locked out: address");
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "granted ann");
  // Another worker hashes the password, and knows the address from the store.
  assert.equal(told(await w.open().authenticate(said("ann", "right"), HOME)), "granted ann");
  assert.equal(told(await auth.authenticate(said("ann", "wrong"), HOME)), "wrong_password");
});

Deno.test("Lockouts: one network guessing slowly locks no name for the others", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const auth = w.open();
  let guesses = 0;
  for (let minute = 0; minute < 24 * 60; minute++) {
    w.state.nowMs += 60_000;
    const result = await auth.authenticate(said("ann", `guess ${minute}`), HOME);
    if (told(result) === "wrong_password") guesses++;
    assert.notEqual(told(result), "locked out: user");
  }
  // As many an hour as two lockouts of an address take.
  assert.ok(guesses >= 24 * 10 && guesses <= 25 * 20, `${guesses}`);
  assert.equal(told(await auth.authenticate(said("ann", "right"), AWAY)), "granted ann");
});

Deno.test("Lockouts: whoever has a /48 has few budgets, not 65,536", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const auth = w.open();
  const guessesFrom = async (address: (n: number) => string) => {
    w.compared.length = 0;
    for (let n = 0; n < 200; n++) {
      await auth.authenticate(said(`user${n}`, "guess"), { address: address(n) });
      await auth.authenticate(said("ann", `guess ${n}`), { address: address(n) });
    }
    return w.compared.length;
  };
  assert.equal(await guessesFrom((n) => `2001:db8:1:${n.toString(16)}::1`), 30);
  assert.equal(await guessesFrom((n) => `2001:db8:2:${(n * 256).toString(16)}::1`), 100);
  // And names are not locked by them.
  const stranger = { address: "2001:db8:3::1" };
  assert.equal(told(await auth.authenticate(said("ann", "right"), stranger)), "granted ann");
});

Deno.test("Lockouts: a try at a locked name counts against the network, once a password", async () => {
  const w = world({ limits: { userFailures: 5 } });
  w.put("ann", quickHash("right"));
  const auth = w.open();
  for (let i = 0; i < 5; i++) {
    await auth.authenticate(said("ann", `guess ${i}`), { address: `198.51.100.${30 + i}` });
  }
  for (let i = 0; i < 20; i++) {
    assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "locked out: user");
  }
  w.compared.length = 0;
  const ends = [];
  for (let i = 0; i < 11; i++) {
    ends.push(told(await auth.authenticate(said("ann", `x ${i}`), AWAY)));
  }
  assert.deepEqual(ends, [...Array(10).fill("locked out: user"), "locked out: address"]);
  assert.deepEqual(w.compared, []);
});

Deno.test("Lockouts: names stand in no key of the counters", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const keys: string[] = [];
  const { add } = w.store;
  w.store.add = (counts) => {
    keys.push(...counts.map(({ key }) => key));
    return add.call(w.store, counts);
  };
  const auth = w.open();
  await auth.authenticate(said("ann", "right"), HOME);
  await auth.authenticate(said("ann", "wrong"), HOME);
  assert.equal(keys.length, 4);
  assert.ok(!keys.some((key) => key.includes("ann")), keys.join());
});

Deno.test("Authenticator: a store that is away is told from a fault", async () => {
  const w = world();
  w.put("ann", quickHash("right"));
  const auth = w.open();
  w.state.isAway = true;
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "unavailable: store");
  assert.deepEqual(w.compared, []);
  w.state.isAway = false;
  w.store.take = () => Promise.reject(new TypeError("broken"));
  await assert.rejects(auth.authenticate(said("ann", "right"), HOME), TypeError);
});

/** Tries 10,000 passwords from one address, fifty at a time, as fast as they are answered. */
async function flood(auth: Authenticator): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  let tries = 0;
  const connection = async () => {
    while (tries < 10_000) {
      const result = told(await auth.authenticate(said("nobody", `guess ${tries++}`), AWAY));
      ends.set(result, (ends.get(result) ?? 0) + 1);
      // An answer and the next try cross a network.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: 50 }, connection));
  return ends;
}

Deno.test("Authenticator: 10,000 guesses from one address keep nobody else waiting", async () => {
  for (const addressFailures of [10, 1_000_000]) {
    const w = world({ limits: { addressFailures } });
    // The guesses cost slow hashes; this login does not, so that what is timed is the waiting.
    w.put("ann", quickHash("right"));
    const auth = w.open();
    const flooding = flood(auth);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const startMs = performance.now();
    assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "granted ann");
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs < 100, `${tookMs} ms`);
    const ends = await flooding;
    const hashes = w.compared.filter((hash) => hash === null).length;
    assert.equal(ends.get("unknown_user"), hashes);
    if (addressFailures === 10) assert.equal(hashes, 10);
  }
});

Deno.test("Authenticator: strangers who wait keep out nobody who is known there", async () => {
  const w = world({ limits: { queue: { atOnce: 1, maxWaiting: 8, maxWaitingPerOrigin: 2 } } });
  w.put("ann", quickHash("right"));
  await w.open().authenticate(said("ann", "right"), HOME);
  const auth = w.open();
  const guess = (n: number) =>
    auth.authenticate(said("nobody", "guess"), { address: `198.51.100.${n}` });
  const guesses = Array.from({ length: 9 }, (_, n) => guess(n));
  assert.equal(told(await guess(9)), "unavailable: busy");
  let hashed = 0;
  for (const each of guesses) each.then(() => hashed++);
  assert.equal(told(await auth.authenticate(said("ann", "right"), HOME)), "granted ann");
  assert.ok(hashed <= 2, `behind ${hashed} others`);
  const ends = (await Promise.all(guesses)).map(told);
  assert.deepEqual(ends, Array(9).fill("unknown_user"));
});
