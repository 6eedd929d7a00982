import assert from "node:assert/strict";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { hasRedis, openRedis, type RedisServer } from "../../tests/fixtures/redis.ts";
import { StoreUnavailableError } from "./errors.ts";
import type { Greylist } from "./greylist.ts";
import { testGreylist } from "./greylist_conformance.ts";
import { memoryGreylist } from "./memory_greylist.ts";
import { redisGreylist } from "./redis_greylist.ts";

const ignore = !hasRedis;
if (ignore) console.warn("redis-server is not installed: the tests of redisGreylist are skipped");

testGreylist({
  name: "redisGreylist",
  ignore,
  async openStore(now) {
    const { server, [Symbol.asyncDispose]: dispose } = await openRedis();
    return {
      open: () => redisGreylist({ url: server.url, onError: () => {}, now }),
      [Symbol.asyncDispose]: dispose,
    };
  },
});

interface World {
  readonly server: RedisServer;
  /** Speaks to the server past the greylist. */
  readonly redis: Redis;
  open(
    options?: { keyPrefix?: string; maxWaiting?: number; now?: () => number },
  ): Greylist & AsyncDisposable;
}

function test(name: string, run: (world: World) => Promise<void>): void {
  Deno.test(`redisGreylist: ${name}`, { ignore }, async () => {
    await using world = await openRedis();
    const open: World["open"] = (options) =>
      redisGreylist({ url: world.server.url, onError: () => {}, ...options });
    await run({ ...world, open });
  });
}

const query = {
  senders: [{ key: "s", passes: 1 }],
  triplets: ["t"],
  isVouchedFor: false,
  ...{ delayMs: 0, windowMs: 50_000, trustMs: 900_000 },
};

test("keys start as configured, `smtp:` if not, and expire", async ({ redis, open }) => {
  await using greylist = open();
  await using other = open({ keyPrefix: "else:" });
  await greylist.ask(query);
  await other.ask(query);
  assert.deepEqual((await redis.keys("*")).sort(), ["else:grey:waiting", "smtp:grey:waiting"]);
  const waitingMs = await redis.pttl("smtp:grey:waiting");
  assert.ok(waitingMs > 40_000 && waitingMs <= 50_000, `${waitingMs}`);
  assert.deepEqual(await greylist.ask(query), { kind: "passed" });
  const trusted = ["smtp:grey:sender:s", "smtp:grey:triplet:t"];
  // Nothing is left waiting.
  assert.deepEqual((await redis.keys("smtp:*")).sort(), trusted);
  for (const key of trusted) {
    const leftMs = await redis.pttl(key);
    assert.ok(leftMs > 800_000 && leftMs <= 900_000, `${key}: ${leftMs}`);
  }
});

test("strangers without end push out one another and nobody who is trusted", async (world) => {
  let nowMs = 1_700_000_000_000;
  await using greylist = world.open({ maxWaiting: 20, now: () => nowMs++ });
  await greylist.ask(query);
  assert.deepEqual(await greylist.ask(query), { kind: "passed" });
  const stranger = (i: number) => ({
    ...query,
    senders: [{ key: `s${i}`, passes: 1 }],
    triplets: [`t${2 * i}`, `t${2 * i + 1}`],
  });
  for (let i = 0; i < 50; i++) await greylist.ask(stranger(i));
  assert.equal(await world.redis.zcard("smtp:grey:waiting"), 20);
  assert.deepEqual(await greylist.ask({ ...query, triplets: ["new"] }), { kind: "trusted" });
  assert.deepEqual(await greylist.ask({ ...query, senders: [] }), { kind: "trusted" });
  assert.equal((await greylist.ask(stranger(40))).kind, "passed");
  const answer = await greylist.ask(stranger(39));
  assert.ok(answer.kind === "waiting" && answer.isNew);
});

test("what did not come again in its window goes as others come", async ({ redis, open }) => {
  let nowMs = 1_700_000_000_000;
  await using greylist = open({ now: () => nowMs });
  const stranger = (name: string) => ({ ...query, triplets: [`${name}1`, `${name}2`] });
  await greylist.ask(stranger("a"));
  await greylist.ask(stranger("b"));
  nowMs += query.windowMs;
  await greylist.ask(stranger("c"));
  assert.equal(await redis.zcard("smtp:grey:waiting"), 2);
});

test("the clock is that of Redis", async ({ open }) => {
  await using greylist = open();
  const quick = { ...query, delayMs: 200 };
  assert.equal((await greylist.ask(quick)).kind, "waiting");
  const answer = await greylist.ask(quick);
  assert.ok(answer.kind !== "waiting" || answer.retryAfterMs <= 200, JSON.stringify(answer));
  const untilMs = performance.now() + 5_000;
  while ((await greylist.ask(quick)).kind === "waiting") assert.ok(performance.now() < untilMs);
});

test("a question is one command", async ({ redis, open }) => {
  await using greylist = open();
  // The first one sends the text of the script.
  await greylist.ask(query);
  await redis.config("RESETSTAT");
  await greylist.ask(query);
  const stats = await redis.info("commandstats");
  const calls = (name: string) => new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1];
  assert.deepEqual([calls("evalsha"), calls("eval")], ["1", undefined]);
});

test("a server that is away fails calls; one that is back knows nobody", async (world) => {
  await using greylist = world.open();
  await greylist.ask(query);
  await world.server.kill();
  await assert.rejects(greylist.ask(query), StoreUnavailableError);
  await world.server.start();
  const answer = await greylist.ask(query);
  assert.ok(answer.kind === "waiting" && answer.isNew);
});

test("what someone else wrote under a key counts for nothing", async ({ redis, open }) => {
  await using greylist = open();
  for (const text of ["nonsense", "", "9999999999999", "9999999999999 maybe", "1 1"]) {
    await redis.flushall();
    await redis.mset({ "smtp:grey:triplet:t": text, "smtp:grey:sender:s": text });
    const answer = await greylist.ask(query);
    assert.ok(answer.kind === "waiting" && answer.isNew, text);
  }
});

const asked = fc.record({
  senders: fc.array(
    fc.record({ key: fc.constantFrom("a", "b", "c"), passes: fc.integer({ min: 1, max: 3 }) }),
    { maxLength: 3 },
  ),
  triplets: fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 3 }),
  isVouchedFor: fc.nat(9).map((nine) => nine === 9),
  delayMs: fc.constantFrom(0, 60_000, 300_000),
  windowMs: fc.constant(600_000),
  trustMs: fc.constantFrom(500_000, 2_000_000),
});
const step = fc.oneof(
  asked,
  fc.record({ passMs: fc.nat(400_000) }),
);

test("it answers as memoryGreylist does, whatever is asked", async ({ redis, open }) => {
  let nowMs = 0;
  const now = () => nowMs;
  await using greylist = open({ now });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      await redis.flushall();
      nowMs = 1_700_000_000_000;
      const twin = memoryGreylist({ now });
      for (const doing of steps) {
        if ("passMs" in doing) nowMs += doing.passMs;
        else assert.deepEqual(await greylist.ask(doing), await twin.ask(doing));
      }
    }),
    { numRuns: 80 },
  );
});
