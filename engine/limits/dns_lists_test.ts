import assert from "node:assert/strict";
import fc from "fast-check";
import type { DnsAnswer, Resolver } from "../dns/resolver.ts";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { type DnsList, parseDnsLists } from "./dns_list_zones.ts";
import { explainListing, lookUpLists, readListAnswer } from "./dns_lists.ts";
import { ListHealth } from "./list_health.ts";
import { reversedAddress } from "./reversed_address.ts";

const V6_LABELS = `1.${"0.".repeat(23)}8.b.d.0.1.0.0.2`;

function listsOf(text: string): readonly DnsList[] {
  const result = parseDnsLists(text);
  assert.ok(result.kind === "lists");
  return result.lists;
}

function lookUp(address: string, options: {
  readonly lists: string;
  readonly zone?: ZoneData;
  readonly resolver?: Resolver;
  readonly deadlineMs?: number;
  readonly health?: ListHealth;
  readonly outcomes?: string[];
}) {
  const lists = listsOf(options.lists);
  return lookUpLists(address, {
    lists,
    resolver: options.resolver ?? new ZoneResolver(options.zone ?? {}),
    deadlineMs: options.deadlineMs ?? 1000,
    health: options.health ?? new ListHealth({
      lists,
      now: () => 0,
      onOutcome: (zone, outcome) => options.outcomes?.push(`${zone} ${outcome}`),
    }),
  });
}

Deno.test("reversedAddress: octets of IPv4, nibbles of IPv6, mapped addresses as IPv4", () => {
  assert.deepEqual(reversedAddress("192.0.2.99"), {
    family: 4,
    address: "192.0.2.99",
    labels: "99.2.0.192",
  });
  assert.deepEqual(reversedAddress("::ffff:192.0.2.99"), reversedAddress("192.0.2.99"));
  // RFC 5782 §2.4, its example.
  assert.equal(
    reversedAddress("2001:db8:1:2:3:4:567:89ab")?.labels,
    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2",
  );
  assert.equal(reversedAddress("mx.example"), null);
});

Deno.test("lookUpLists: hits carry zone, value, weight and address, in the order of the lists", async () => {
  const outcomes: string[] = [];
  const hits = await lookUp("192.0.2.1", {
    lists: "bl.example=127.0.0.[2..11]*3,wl.example*-2,other.example",
    zone: {
      "1.2.0.192.bl.example": { a: ["127.0.0.4", "127.0.0.10"] },
      "1.2.0.192.wl.example": { a: ["127.0.5.1"] },
      "other.example": {},
    },
    outcomes,
  });
  assert.deepEqual(hits, [
    { zone: "bl.example", value: "127.0.0.4", weight: 3, subject: "192.0.2.1" },
    { zone: "wl.example", value: "127.0.5.1", weight: -2, subject: "192.0.2.1" },
  ]);
  assert.deepEqual(outcomes, ["bl.example listed", "wl.example listed", "other.example unlisted"]);
});

Deno.test("lookUpLists: IPv6 by nibbles, mapped IPv4 by octets, no address not at all", async () => {
  const zone: ZoneData = {
    [`${V6_LABELS}.bl.example`]: { a: ["127.0.0.2"] },
    "1.2.0.192.bl.example": { a: ["127.0.0.3"] },
  };
  const [v6] = await lookUp("2001:DB8::1", { lists: "bl.example", zone });
  assert.deepEqual([v6.value, v6.subject], ["127.0.0.2", "2001:db8::1"]);
  const [mapped] = await lookUp("::ffff:192.0.2.1", { lists: "bl.example", zone });
  assert.deepEqual([mapped.value, mapped.subject], ["127.0.0.3", "192.0.2.1"]);
  assert.deepEqual(await lookUp("unknown", { lists: "bl.example", zone }), []);
});

Deno.test("lookUpLists: several entries of a zone are one question, each counts once", async () => {
  const asked: string[] = [];
  const zone = new ZoneResolver({ "1.2.0.192.bl.example": { a: ["127.0.0.2", "127.0.0.4"] } });
  const resolver = withA((name) => {
    asked.push(name);
    return zone.a(name);
  });
  const hits = await lookUp("192.0.2.1", {
    lists: "bl.example=127.0.0.2*3,bl.example=127.0.0.[2..4],bl.example=127.0.0.9",
    resolver,
  });
  assert.deepEqual(hits.map(({ value, weight }) => [value, weight]), [
    ["127.0.0.2", 3],
    ["127.0.0.2", 1],
  ]);
  assert.deepEqual(asked, ["1.2.0.192.bl.example"]);
});

Deno.test("lookUpLists: what is not answered by the deadline is not listed, all else counts", async () => {
  const outcomes: string[] = [];
  const late = Promise.withResolvers<DnsAnswer<string>>();
  const listed: DnsAnswer<string> = {
    kind: "found",
    records: ["127.0.0.2"],
    ttlS: 60,
    authenticated: false,
  };
  const resolver = withA((name) =>
    name.endsWith("slow.example") ? late.promise : Promise.resolve(listed)
  );
  const hits = await lookUp("192.0.2.1", {
    lists: "slow.example,fast.example",
    resolver,
    deadlineMs: 20,
    outcomes,
  });
  assert.deepEqual(hits.map(({ zone }) => zone), ["fast.example"]);
  late.resolve(listed);
  await late.promise;
  assert.deepEqual(outcomes, ["slow.example unanswered", "fast.example listed"]);
});

Deno.test("lookUpLists: a list that keeps failing is not asked for a while, the others are", async () => {
  const lists = listsOf("dead.example,bl.example");
  const asked: string[] = [];
  let nowMs = 0;
  const health = new ListHealth({ lists, now: () => nowMs });
  const resolver = withA((name) => {
    asked.push(name.split(".").slice(-2).join("."));
    const isDead = name.endsWith("dead.example");
    return Promise.resolve(
      isDead ? { kind: "tempfail", reason: "timeout" } : { kind: "nxdomain" },
    );
  });
  const ask = () => lookUp("192.0.2.1", { lists: "dead.example,bl.example", resolver, health });
  for (let times = 1; times <= 8; times++) await ask();
  assert.equal(asked.filter((zone) => zone === "dead.example").length, 5);
  assert.equal(asked.filter((zone) => zone === "bl.example").length, 8);
  nowMs = 60_000;
  await ask();
  await ask();
  assert.equal(asked.filter((zone) => zone === "dead.example").length, 6);
});

for (
  const [title, answer, entries, expected] of [
    ["an answer outside 127/8", ["192.0.2.1"], "bl.example", "foreign"],
    ["another one among good ones is passed over", ["192.0.2.1", "127.0.0.2"], "bl.example", 1],
    ["a denial", ["127.255.255.254"], "bl.example=127.[0..255].[0..255].[0..255]", "denied"],
    ["a denial among listings", ["127.0.0.2", "127.255.255.255"], "bl.example", "denied"],
    ["URIBL's denial", ["127.0.0.1"], "bl.example", "denied"],
    ["URIBL's denial beside a pattern", ["127.0.0.1"], "bl.example=127.0.0.2", "denied"],
    ["127.0.0.1 where a pattern names it", ["127.0.0.1"], "bl.example=127.0.0.1", 1],
    ["dnswl.org's denial", ["127.0.0.255"], "bl.example", "denied"],
    ["DBL's answer for an address", ["127.0.1.255"], "bl.example", "denied"],
    ["a value no pattern has", ["127.0.0.9"], "bl.example=127.0.0.2", "unlisted"],
    ["any other value without a pattern", ["127.9.9.9"], "bl.example", 1],
  ] as const
) {
  Deno.test(`readListAnswer: ${title}`, () => {
    const reading = readListAnswer(
      { kind: "found", records: answer, ttlS: 60, authenticated: false },
      listsOf(entries)[0],
    );
    if (typeof expected === "number") {
      assert.deepEqual([reading.outcome, reading.hits.length], ["listed", expected]);
    } else assert.deepEqual([reading.outcome, reading.hits], [expected, []]);
  });
}

Deno.test("readListAnswer: no such name and no records are facts, a failure is none; our load is not the list's", () => {
  const [list] = listsOf("bl.example");
  assert.equal(readListAnswer({ kind: "nxdomain" }, list).outcome, "unlisted");
  assert.equal(readListAnswer({ kind: "nodata" }, list).outcome, "unlisted");
  const failed = readListAnswer({ kind: "tempfail", reason: "servfail" }, list);
  assert.equal(failed.outcome, "failed");
  const overloaded = readListAnswer({ kind: "tempfail", reason: "overloaded" }, list);
  assert.equal(overloaded.outcome, "skipped");
});

Deno.test("lookUpLists: no address and no answer throws", async () => {
  const resolver = (records: string[]) =>
    withA(() => Promise.resolve({ kind: "found", records, ttlS: 0, authenticated: false }));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
      fc.array(fc.oneof(fc.ipV4(), fc.string()), { minLength: 1 }),
      async (address, records) => {
        await lookUp(address, {
          lists: "a.example,b.example=127.0.0.2",
          resolver: resolver(records),
        });
      },
    ),
  );
});

Deno.test("explainListing: one bounded line of ASCII, or nothing", async () => {
  const hit = { zone: "bl.example", value: "127.0.0.2", weight: 1, subject: "192.0.2.1" };
  const explain = (txt: ZoneData[string]["txt"]) =>
    explainListing(hit, {
      resolver: new ZoneResolver({ "1.2.0.192.bl.example": { txt } }),
      deadlineMs: 1000,
    });
  assert.equal(
    await explain(["see https://bl.example/1\r\n250 ok\x1b"]),
    "see https://bl.example/1??250 ok?",
  );
  assert.equal((await explain(["x".repeat(3000)]))?.length, 200);
  assert.equal(await explain([" "]), null);
  assert.equal(await explain([]), null);
  assert.equal(await explain("servfail"), null);
  const silent: Pick<Resolver, "txt"> = { txt: () => new Promise(() => {}) };
  assert.equal(await explainListing(hit, { resolver: silent as Resolver, deadlineMs: 5 }), null);
});

/** A resolver of which only addresses are asked. */
function withA(a: Resolver["a"]): Resolver {
  const zone = new ZoneResolver({});
  zone.a = a;
  return zone;
}
