import assert from "node:assert/strict";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { hasRedis, openRedis, type RedisServer } from "../../tests/fixtures/redis.ts";
import type { Counters } from "./counters.ts";
import { testCounters } from "./counters_conformance.ts";
import { StoreUnavailableError } from "./errors.ts";
import { memoryCounters } from "./memory_counters.ts";
import { redisCounters } from "./redis_counters.ts";

const ignore = !hasRedis;
if (ignore) console.warn("redis-server is not installed: the tests of redisCounters are skipped");

const MINUTE = 60_000;
const minute = { key: "k", windowMs: MINUTE };

testCounters({
  name: "redisCounters",
  ignore,
  async openStore(now) {
    const { server, [Symbol.asyncDispose]: dispose } = await openRedis();
    return {
      open: () => redisCounters({ url: server.url, onError: () => {}, now }),
      [Symbol.asyncDispose]: dispose,
    };
  },
});

interface World {
  readonly server: RedisServer;
  /** Speaks to the server past the counters. */
  readonly redis: Redis;
  open(options?: { keyPrefix?: string; now?: () => number }): Counters & AsyncDisposable;
}

function test(name: string, run: (world: World) => Promise<void>): void {
  Deno.test(`redisCounters: ${name}`, { ignore }, async () => {
    await using world = await openRedis();
    const open: World["open"] = (options) =>
      redisCounters({ url: world.server.url, onError: () => {}, ...options });
    await run({ ...world, open });
  });
}

test("keys start as configured, `smtp:` if not, and expire", async ({ redis, open }) => {
  await using counters = open();
  await using other = open({ keyPrefix: "else:" });
  for (const each of [counters, other]) {
    await each.add([{ ...minute, amount: 2 }]);
    await each.take([{ key: "t", windowMs: 1_000, amount: 1, limit: 1 }]);
  }
  const keys = await redis.keys("*");
  assert.deepEqual(keys.sort(), [
    ...["else:counter:1000:t", "else:counter:60000:k"],
    ...["smtp:counter:1000:t", "smtp:counter:60000:k"],
  ]);
  for (const key of keys) {
    const leftMs = await redis.pttl(key);
    const windowMs = Number(key.split(":")[2]);
    assert.ok(leftMs > 0 && leftMs <= 2 * windowMs, `${key}: ${leftMs}`);
  }
});

test("asking and reading leave no key behind", async ({ redis, open }) => {
  await using counters = open();
  await counters.read([minute]);
  await counters.take([{ ...minute, amount: 0, limit: 1 }]);
  await counters.take([{ ...minute, amount: 2, limit: 1 }]);
  await counters.giveBack([{ ...minute, amount: 2 }]);
  assert.deepEqual(await redis.keys("*"), []);
});

test("the clock is that of Redis: what it counted slides away by itself", async ({ open }) => {
  await using counters = open();
  const window = { key: "k", windowMs: 200 };
  const claim = { ...window, amount: 1, limit: 1 };
  assert.equal((await counters.take([claim])).kind, "granted");
  const taken = await counters.take([claim]);
  assert.ok(taken.kind === "granted" || taken.retryAfterMs <= 400, JSON.stringify(taken));
  const untilMs = performance.now() + 5_000;
  while ((await counters.read([window]))[0] > 0) assert.ok(performance.now() < untilMs);
  assert.equal((await counters.take([claim])).kind, "granted");
});

test("a call is one command, whatever it names", async ({ redis, open }) => {
  await using counters = open();
  const claims = Array.from({ length: 10 }, (_, i) => ({
    ...{ key: `k${i}`, windowMs: MINUTE },
    ...{ amount: 1, limit: 9 },
  }));
  // The first call of each sends the text of its script.
  await counters.take(claims);
  await counters.add(claims);
  await counters.giveBack(claims);
  await redis.config("RESETSTAT");
  await counters.take(claims);
  await counters.add(claims);
  await counters.giveBack(claims);
  await counters.read(claims);
  await counters.reset(claims);
  const stats = await redis.info("commandstats");
  const calls = (name: string) => new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1];
  assert.deepEqual([calls("evalsha"), calls("unlink"), calls("eval")], ["4", "1", undefined]);
});

test("a server that is away fails calls; one that is back counts anew", async (world) => {
  await using counters = world.open();
  await counters.add([{ ...minute, amount: 5 }]);
  await world.server.kill();
  await assert.rejects(counters.add([{ ...minute, amount: 1 }]), StoreUnavailableError);
  await world.server.start();
  assert.deepEqual(await counters.add([{ ...minute, amount: 1 }]), [1]);
});

test("what someone else wrote under a key counts for nothing", async ({ redis, open }) => {
  await using counters = open();
  await redis.set("smtp:counter:60000:k", "nonsense");
  assert.deepEqual(await counters.add([{ ...minute, amount: 1 }]), [1]);
});

const amount = fc.nat(9);
const window = fc.record({
  key: fc.constantFrom("a", "b"),
  windowMs: fc.constantFrom(MINUTE, 7_777),
});
const some = fc.array(fc.record({ window, amount, limit: fc.nat(20) }), { maxLength: 3 })
  .map((list) => list.map(({ window, ...rest }) => ({ ...window, ...rest })));
const step = fc.oneof(
  fc.record({ take: some }),
  fc.record({ add: some }),
  fc.record({ giveBack: some }),
  fc.record({ read: some }),
  fc.record({ reset: fc.array(window, { maxLength: 1 }) }),
  // Never back, which the suite both pass tries: one keeps the time a length of window has come to, the other
  // that of each key, so a key that was never counted may differ in how long a refusal lasts.
  fc.record({ passMs: fc.oneof(fc.nat(9_000), fc.nat(3 * MINUTE)) }),
);

test("they answer as memoryCounters do, whatever is asked", async ({ redis, open }) => {
  let nowMs = 0;
  const now = () => nowMs;
  await using counters = open({ now });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      await redis.flushall();
      nowMs = 1_700_000_000_000;
      const twin = memoryCounters({ now });
      for (const doing of steps) {
        if ("passMs" in doing) nowMs += doing.passMs;
        else if ("take" in doing) {
          assert.deepEqual(await counters.take(doing.take), await twin.take(doing.take));
        } else if ("add" in doing) {
          assert.deepEqual(await counters.add(doing.add), await twin.add(doing.add));
        } else if ("giveBack" in doing) {
          await counters.giveBack(doing.giveBack);
          await twin.giveBack(doing.giveBack);
        } else if ("read" in doing) {
          assert.deepEqual(await counters.read(doing.read), await twin.read(doing.read));
        } else {
          await counters.reset(doing.reset);
          await twin.reset(doing.reset);
        }
      }
    }),
    { numRuns: 60 },
  );
});
