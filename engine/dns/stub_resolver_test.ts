import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Exchange } from "./exchange.ts";
import { StubResolver, type StubResolverOptions } from "./stub_resolver.ts";
import { nameIn, reply } from "./testdata/hostile_server.ts";

const SERVERS = [{ host: "127.0.0.1", port: 53 }];

/** Answers each question with one address, once `release` is called if `isHeld`. */
function startAnswering(options: { ttl?: number; isHeld?: boolean; error?: number } = {}) {
  const asked: string[] = [];
  const held = Promise.withResolvers<void>();
  if (!options.isHeld) held.resolve();
  const exchange: Exchange = async (_server, query, { signal }) => {
    const octets = query as Buffer;
    const name = nameIn(octets);
    asked.push(name);
    const aborted = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve())
    );
    await Promise.race([held.promise, aborted]);
    if (signal.aborted) return { kind: "failed", reason: "timeout" };
    const { ttl = 60, error } = options;
    const answers = error === undefined ? [{ type: "A", name, ttl, data: "192.0.2.1" }] : [];
    return { kind: "reply", octets: reply(octets, answers, { flags: error ?? 0x0080 }) };
  };
  return { asked, exchange, release: () => held.resolve() };
}

function resolverOf(options: Partial<StubResolverOptions> & { exchange: Exchange }) {
  return new StubResolver({ servers: SERVERS, timeoutMs: 1000, now: () => 0, ...options });
}

Deno.test("StubResolver: octets of any kind in a reply end as an answer", async () => {
  let octets = new Uint8Array();
  const exchange: Exchange = (_server, query) => {
    const question = query.subarray(0, query.length - 11);
    const [flagsHigh, flagsLow, answers, authorities, additionals, ...rest] = octets;
    const body = Buffer.from([...question, ...rest]);
    body.set(
      [flagsHigh, flagsLow, 0, 1, 0, answers % 3, 0, authorities % 3, 0, additionals % 3],
      2,
    );
    return Promise.resolve({ kind: "reply", octets: body });
  };
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 200 }), async (arbitrary) => {
      octets = arbitrary;
      await using resolver = resolverOf({ exchange });
      const name = "a.example";
      const answers = await Promise.all([
        resolver.a(name),
        resolver.aaaa(name),
        resolver.mx(name),
        resolver.txt(name),
        resolver.ptr(name),
        resolver.srv(name),
        resolver.tlsa(name),
        resolver.cname(name),
      ]);
      for (const { kind } of answers) {
        assert.ok(["found", "nodata", "nxdomain", "tempfail"].includes(kind));
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("StubResolver: a name no query can carry is not asked for", async () => {
  const { asked, exchange } = startAnswering();
  await using resolver = resolverOf({ exchange });
  await fc.assert(fc.asyncProperty(fc.string({ maxLength: 300 }), async (name) => {
    await resolver.a(name);
  }));
  assert.deepEqual(await resolver.a(`${"a".repeat(64)}.example`), { kind: "nxdomain" });
  assert.deepEqual(asked.filter((name) => name.includes("..")), []);
});

Deno.test("StubResolver: a CNAME to a name no query can carry ends the chain", async () => {
  let queries = 0;
  const exchange: Exchange = (_server, query) => {
    queries++;
    const octets = reply(query as Buffer, []);
    octets.writeUInt16BE(1, 6);
    const target = [63, ...Array(63).fill(0xff), 0];
    const record = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, target.length, ...target];
    return Promise.resolve({ kind: "reply", octets: Buffer.from([...octets, ...record]) });
  };
  await using resolver = resolverOf({ exchange });
  assert.deepEqual(await resolver.a("a.example"), { kind: "nxdomain" });
  assert.equal(queries, 1);
});

Deno.test("StubResolver: an answer is remembered for its TTL, under any spelling", async () => {
  const { asked, exchange } = startAnswering();
  let nowMs = 0;
  const events: string[] = [];
  await using resolver = resolverOf({
    exchange,
    now: () => nowMs,
    onQuery: (event) => events.push(`${event.type} ${event.via} ${event.outcome}`),
  });
  await resolver.a("a.example");
  nowMs = 20_000;
  const again = await resolver.a("A.Example.");
  assert.equal(again.kind === "found" && again.ttlS, 40);
  nowMs = 60_000;
  await resolver.a("a.example");
  assert.equal(asked.length, 2);
  assert.deepEqual(events, ["A network found", "A cache found", "A network found"]);
});

Deno.test("StubResolver: a TTL of zero is not remembered, a failure for two seconds", async () => {
  const fleeting = startAnswering({ ttl: 0 });
  await using resolver = resolverOf({ exchange: fleeting.exchange });
  await resolver.a("a.example");
  await resolver.a("a.example");
  assert.equal(fleeting.asked.length, 2);

  let nowMs = 0;
  const failing = startAnswering({ error: 2 });
  await using second = resolverOf({ exchange: failing.exchange, now: () => nowMs });
  await second.a("a.example");
  nowMs = 1999;
  assert.deepEqual(await second.a("a.example"), { kind: "tempfail", reason: "servfail" });
  assert.equal(failing.asked.length, 1);
  nowMs = 2000;
  await second.a("a.example");
  assert.equal(failing.asked.length, 2);
});

Deno.test("StubResolver: equal questions at once are one query", async () => {
  const { asked, exchange, release } = startAnswering({ isHeld: true });
  const events: string[] = [];
  await using resolver = resolverOf({ exchange, onQuery: (event) => events.push(event.via) });
  const answers = ["a.example", "A.example", "a.example."].map((name) => resolver.a(name));
  release();
  for (const answer of await Promise.all(answers)) assert.equal(answer.kind, "found");
  assert.deepEqual(asked, ["a.example"]);
  assert.deepEqual(events.sort(), ["coalesced", "coalesced", "network"]);
});

Deno.test("StubResolver: beyond the bounds in flight and waiting a question is turned away", async () => {
  const { asked, exchange, release } = startAnswering({ isHeld: true });
  await using resolver = resolverOf({ exchange, maxInFlight: 2, maxWaiting: 1 });
  const answers = ["a", "b", "c", "d"].map((name) => resolver.a(name));
  assert.deepEqual(await answers[3], { kind: "tempfail", reason: "overloaded" });
  assert.deepEqual(asked, ["a", "b"]);
  release();
  for (const answer of await Promise.all(answers.slice(0, 3))) assert.equal(answer.kind, "found");
  assert.deepEqual(asked, ["a", "b", "c"]);
  const later = await resolver.a("d");
  assert.equal(later.kind, "found", "being turned away is not remembered");
});

Deno.test("StubResolver: waiting for a turn counts towards the deadline", async () => {
  const { asked, exchange } = startAnswering({ isHeld: true });
  await using resolver = resolverOf({ exchange, timeoutMs: 30, maxInFlight: 1 });
  const timeout = { kind: "tempfail", reason: "timeout" };
  assert.deepEqual(await Promise.all([resolver.a("a"), resolver.a("b")]), [timeout, timeout]);
  assert.ok(asked.length <= 2);
});

Deno.test("StubResolver: disposing ends what is under way and what waits", async () => {
  const { exchange } = startAnswering({ isHeld: true });
  const resolver = resolverOf({ exchange, timeoutMs: 60_000, maxInFlight: 1 });
  const answers = [resolver.a("a"), resolver.a("b")];
  await resolver[Symbol.asyncDispose]();
  for (const answer of await Promise.all(answers)) assert.equal(answer.kind, "tempfail");
  assert.deepEqual(await resolver.a("c"), { kind: "tempfail", reason: "unreachable" });
});

Deno.test("StubResolver: ids come from the source given", async () => {
  const ids: number[] = [];
  const exchange: Exchange = (_server, query) => {
    ids.push((query as Buffer).readUInt16BE(0));
    return Promise.resolve({ kind: "failed", reason: "timeout" });
  };
  let next = 0xfffe;
  await using resolver = resolverOf({ exchange, attempts: 2, randomId: () => next++ });
  await resolver.a("a.example");
  assert.deepEqual(ids, [0xfffe, 0xffff]);
});
