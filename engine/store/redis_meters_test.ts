import assert from "node:assert/strict";
import fc from "fast-check";
import type { Redis } from "ioredis";
import { hasRedis, openRedis, type RedisServer } from "../../tests/fixtures/redis.ts";
import { StoreUnavailableError } from "./errors.ts";
import { memoryMeters } from "./memory_meters.ts";
import type { Meters } from "./meters.ts";
import { testMeters } from "./meters_conformance.ts";
import { redisMeters } from "./redis_meters.ts";

const ignore = !hasRedis;
if (ignore) console.warn("redis-server is not installed: the tests of redisMeters are skipped");

testMeters({
  name: "redisMeters",
  ignore,
  async openStore(now) {
    const { server, [Symbol.asyncDispose]: dispose } = await openRedis();
    return {
      open: () => redisMeters({ url: server.url, onError: () => {}, now }),
      [Symbol.asyncDispose]: dispose,
    };
  },
});

interface World {
  readonly server: RedisServer;
  /** Speaks to the server past the meters. */
  readonly redis: Redis;
  open(options?: { keyPrefix?: string; now?: () => number }): Meters & AsyncDisposable;
}

function test(name: string, run: (world: World) => Promise<void>): void {
  Deno.test(`redisMeters: ${name}`, { ignore }, async () => {
    await using world = await openRedis();
    const open: World["open"] = (options) =>
      redisMeters({ url: world.server.url, onError: () => {}, ...options });
    await run({ ...world, open });
  });
}

const claim = { key: "k", burst: 4, periodMs: 60_000, amount: 1 };

test("keys start as configured, `smtp:` if not, and expire soon after they are empty", async (world) => {
  const { redis, open } = world;
  await using meters = open();
  await using other = open({ keyPrefix: "else:" });
  await meters.pass([claim]);
  await other.pass([{ ...claim, amount: 4 }]);
  const keys = ["else:meter:4/60000:k", "smtp:meter:4/60000:k"];
  assert.deepEqual((await redis.keys("*")).sort(), keys);
  const [four, one] = await Promise.all(keys.map((key) => redis.pttl(key)));
  assert.ok(four > 60_000 && four <= 70_000, `${four}`);
  assert.ok(one > 15_000 && one <= 25_000, `${one}`);
});

test("what is refused leaves no key behind", async ({ redis, open }) => {
  await using meters = open();
  await meters.pass([claim, { ...claim, key: "never", amount: 5 }]);
  assert.deepEqual(await redis.keys("*"), []);
});

test("the clock is that of Redis: a meter empties by itself", async ({ open }) => {
  await using meters = open();
  const quick = { ...claim, burst: 1, periodMs: 300 };
  assert.equal((await meters.pass([quick])).kind, "granted");
  const passage = await meters.pass([quick]);
  assert.ok(passage.kind === "granted" || passage.retryAfterMs <= 300, JSON.stringify(passage));
  const untilMs = performance.now() + 5_000;
  while ((await meters.pass([quick])).kind === "refused") assert.ok(performance.now() < untilMs);
});

test("a call is one command, whatever it names", async ({ redis, open }) => {
  await using meters = open();
  const claims = Array.from({ length: 10 }, (_, i) => ({ ...claim, key: `k${i}` }));
  // The first call sends the text of the script.
  await meters.pass(claims);
  await redis.config("RESETSTAT");
  await meters.pass(claims);
  const stats = await redis.info("commandstats");
  const calls = (name: string) => new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1];
  assert.deepEqual([calls("evalsha"), calls("eval")], ["1", undefined]);
});

test("a server that is away fails calls; one that is back counts anew", async (world) => {
  await using meters = world.open();
  const all = [{ ...claim, amount: 4 }];
  await meters.pass(all);
  await world.server.kill();
  await assert.rejects(meters.pass(all), StoreUnavailableError);
  await world.server.start();
  assert.deepEqual(await meters.pass(all), { kind: "granted" });
});

test("what someone else wrote under a key counts for nothing", async ({ redis, open }) => {
  await using meters = open();
  for (const text of ["nonsense", "", "1 2 3", "9999999999999 4", "-1 0"]) {
    await redis.set("smtp:meter:4/60000:k", text);
    assert.deepEqual(await meters.pass([{ ...claim, amount: 4 }]), { kind: "granted" }, text);
  }
});

const claims = fc.array(
  fc.record({
    key: fc.constantFrom("a", "b"),
    burst: fc.constantFrom(3, 7),
    periodMs: fc.constantFrom(1_000, 60_000),
    amount: fc.integer({ min: 1, max: 5 }),
  }),
  { maxLength: 4 },
);
const step = fc.oneof(
  fc.record({ claims }),
  fc.record({ passMs: fc.oneof(fc.nat(400), fc.nat(30_000), fc.integer({ min: -9_000, max: 0 })) }),
);

test("they answer as memoryMeters do, whatever is asked", async ({ redis, open }) => {
  let nowMs = 0;
  const now = () => nowMs;
  await using meters = open({ now });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      await redis.flushall();
      let latestMs = nowMs = 1_700_000_000_000;
      const twin = memoryMeters({ now });
      for (const doing of steps) {
        if ("claims" in doing) {
          assert.deepEqual(await meters.pass(doing.claims), await twin.pass(doing.claims));
          continue;
        }
        // Set back by less than what empty meters are kept for.
        nowMs = Math.max(nowMs + doing.passMs, latestMs - 9_000);
        latestMs = Math.max(nowMs, latestMs);
      }
    }),
    { numRuns: 80 },
  );
});
