import assert from "node:assert/strict";
import fc from "fast-check";
import type { Resolver } from "../dns/resolver.ts";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { checkSpf, type SpfOptions } from "./spf.ts";
import { expandMacros, isExplanation, isMacroString, type MacroValues } from "./spf_macro.ts";
import { isSpfRecord, parseSpfRecord } from "./spf_record.ts";

function check(zone: ZoneData | Resolver, options: Partial<SpfOptions> = {}) {
  return checkSpf({
    clientAddress: "192.0.2.1",
    heloName: "mx.sender.test",
    reversePath: "ann@sender.test",
    hostname: "mx.here.test",
    resolver: "txt" in zone && typeof zone.txt === "function"
      ? zone as Resolver
      : new ZoneResolver(zone as ZoneData),
    nowMs: 0,
    timeoutMs: 5_000,
    ...options,
  });
}

Deno.test("checkSpf: judges the HELO name and the reverse-path apart (RFC 7208 §2.3, §2.4)", async () => {
  const { helo, mfrom } = await check({
    "mx.sender.test": { txt: ["v=spf1 ip4:192.0.2.1 -all"] },
    "sender.test": { txt: ["v=spf1 ip4:192.0.2.9 ~all"] },
  });
  assert.deepEqual([helo.verdict, helo.scope, helo.domain], ["pass", "helo", "mx.sender.test"]);
  assert.equal(helo.sender, "postmaster@mx.sender.test");
  assert.deepEqual([mfrom.verdict, mfrom.scope, mfrom.domain], [
    "softfail",
    "mfrom",
    "sender.test",
  ]);
  assert.equal(mfrom.sender, "ann@sender.test");
  assert.equal(mfrom.reason, "~all matches");
});

Deno.test("checkSpf: the null reverse-path is postmaster's at the HELO name (RFC 7208 §2.4)", async () => {
  const { mfrom } = await check(
    {
      "mx.sender.test": { txt: ["v=spf1 exists:%{l}.%{o}.a.test -all"] },
      "postmaster.mx.sender.test.a.test": { a: ["127.0.0.2"] },
    },
    { reversePath: "" },
  );
  assert.deepEqual([mfrom.verdict, mfrom.scope], ["pass", "mfrom"]);
  assert.equal(mfrom.domain, "mx.sender.test");
});

Deno.test("checkSpf: a local part in quotes stands in macros without them (RFC 5321 §4.1.2)", async () => {
  const { mfrom } = await check(
    {
      "sender.test": { txt: ["v=spf1 exists:%{l}.a.test exp=why.sender.test -all"] },
      "why.sender.test": { txt: ["not %{s}"] },
    },
    { reversePath: '"ann \\"b\\" c"@sender.test' },
  );
  assert.deepEqual([mfrom.verdict, mfrom.explanation], ["fail", 'not ann "b" c@sender.test']);
  assert.equal(mfrom.sender, '"ann \\"b\\" c"@sender.test');
});

Deno.test("checkSpf: where there is no domain there is nothing to check (RFC 7208 §4.3)", async () => {
  for (const name of ["[192.0.2.1]", "localhost", "", "a..b", "-", `${"a".repeat(64)}.test`]) {
    const { helo, mfrom } = await check({}, { heloName: name, reversePath: `x@${name}` });
    assert.deepEqual([helo.verdict, mfrom.verdict], ["none", "none"], name);
  }
  const { mfrom } = await check({}, { clientAddress: "unix" });
  assert.equal(mfrom.verdict, "none");
});

Deno.test("checkSpf: an IPv4 client in IPv6 clothes is an IPv4 client (RFC 7208 §5)", async () => {
  const zone = { "sender.test": { txt: ["v=spf1 ip4:192.0.2.0/24 -all"] } };
  const { mfrom } = await check(zone, { clientAddress: "::ffff:192.0.2.77" });
  assert.equal(mfrom.verdict, "pass");
});

Deno.test("checkSpf: not knowing is temperror, at any depth (RFC 7208 §2.6.6)", async () => {
  const records: [string, string][] = [
    ["v=spf1 include:slow.test -all", "temperror"],
    ["v=spf1 a:slow.test -all", "temperror"],
    ["v=spf1 mx:slow.test -all", "temperror"],
    ["v=spf1 exists:slow.test -all", "temperror"],
    ["v=spf1 redirect=slow.test", "temperror"],
    // RFC 7208 §5.5: names that cannot be looked up are only left out.
    ["v=spf1 ptr:slow.test -all", "fail"],
    ["v=spf1 ip4:192.0.2.1 include:slow.test -all", "pass"],
  ];
  for (const [txt, expected] of records) {
    const { mfrom } = await check({
      "sender.test": { txt: [txt] },
      "slow.test": { fails: "servfail" },
      "1.2.0.192.in-addr.arpa": { fails: "timeout" },
    });
    assert.equal(mfrom.verdict, expected, txt);
  }
});

Deno.test("checkSpf: eleven lookups and three void ones are too many (RFC 7208 §4.6.4)", async () => {
  const zone = (terms: string) => ({
    "sender.test": { txt: [`v=spf1 ${terms} -all`] },
    "is.test": { a: ["198.51.100.1"] },
  });
  const times = (count: number, term: string) => Array(count).fill(term).join(" ");
  const verdict = async (terms: string) => (await check(zone(terms))).mfrom.verdict;
  assert.equal(await verdict(times(10, "a:is.test")), "fail");
  assert.equal(await verdict(times(11, "a:is.test")), "permerror");
  assert.equal(await verdict(times(2, "a:not.test")), "fail");
  assert.equal(await verdict(times(3, "a:not.test")), "permerror");
  const loop = await check({ "sender.test": { txt: ["v=spf1 include:sender.test -all"] } });
  assert.equal(loop.mfrom.verdict, "permerror");
});

Deno.test("checkSpf: no record leads to more than a bounded number of questions", async () => {
  const many = Array.from({ length: 10 }, (_, n) => ({ preference: n, exchange: `m${n}.test` }));
  const zone = new ZoneResolver({
    "sender.test": { txt: [`v=spf1 ${"mx:many.test ".repeat(100)} ptr exists:%{p}.test -all`] },
    "many.test": { mx: many },
    ...Object.fromEntries(many.map(({ exchange }) => [exchange, { a: ["198.51.100.1"] }])),
  });
  let asked = 0;
  const counting = new Proxy(zone, {
    get: (target, name) => {
      const method = Reflect.get(target, name);
      return (question: string) => {
        asked++;
        return method.call(target, question);
      };
    },
  });
  const { mfrom } = await check(counting as Resolver);
  assert.equal(mfrom.verdict, "permerror");
  assert.ok(asked <= 120, `${asked} questions`);
});

Deno.test("checkSpf: ends when the time is over, and leaves nothing behind", async () => {
  const never = new Proxy(new ZoneResolver({}), {
    get: () => () => new Promise<never>(() => {}),
  });
  const startedMs = performance.now();
  const { helo, mfrom } = await check(never, { timeoutMs: 30 });
  assert.deepEqual([helo.verdict, mfrom.verdict], ["temperror", "temperror"]);
  assert.ok(performance.now() - startedMs < 2_000);
  const aborted = await check(never, { signal: AbortSignal.abort() });
  assert.equal(aborted.mfrom.verdict, "temperror");
});

Deno.test("checkSpf: an explanation is told only if it is one (RFC 7208 §6.2)", async () => {
  const explained = async (txt: readonly string[]) =>
    (await check({
      "sender.test": { txt: ["v=spf1 -all exp=why.sender.test"] },
      "why.sender.test": { txt },
    })).mfrom.explanation;
  assert.equal(
    await explained(["%{i} may not send for %{d}"]),
    "192.0.2.1 may not send for sender.test",
  );
  assert.equal(await explained(["caf\xe9"]), null);
  assert.equal(await explained(["a\r\n550 b"]), null);
  assert.equal(await explained(["100%"]), null);
  assert.equal(await explained(["one", "two"]), null);
  assert.ok((await explained(["x".repeat(5_000)]))!.length <= 300);
});

Deno.test("parseSpfRecord, expandMacros: no text throws or takes long", () => {
  const values: MacroValues = {
    ...{ s: "a.b-c@x.test", l: "a.b-c", o: "x.test", d: "x.test", i: "192.0.2.1", p: "unknown" },
    ...{ v: "in-addr", h: "mx", c: "192.0.2.1", r: "here", t: "0" },
  };
  const piece = fc.constantFrom(
    ..."v=spf1 |+|-|~|?|a|mx|ptr|all|include:|exists:|redirect=|exp=|x.test|/24|//64|%{|}|%%|%_|%-|s|l|ir|d2r|.|-|:|=|/|ip4:|192.0.2.1| |\xe9"
      .split("|"),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = `v=spf1 ${pieces.join("")}`;
      assert.ok(isSpfRecord(text));
      const record = parseSpfRecord(text);
      if (record.kind === "fault") return assert.match(record.reason, /^[ -~]+$/);
      for (const mechanism of record.mechanisms) assert.match(mechanism.text, /^[!-~]+$/);
      for (const spec of [record.redirect, record.exp]) {
        if (spec !== null) assert.doesNotMatch(expandMacros(spec, values), /%\{/);
      }
    }),
    { numRuns: 500 },
  );
  const startedMs = performance.now();
  for (const run of ["%{", "%", "1", "-", "/1", "a.", "%{d", "%{d0", "."]) {
    for (const before of ["a:", "exp=", "x=", ""]) {
      parseSpfRecord(`v=spf1 ${before}${run.repeat(16_000 / run.length)}`);
    }
    isExplanation(run.repeat(10_000));
    isMacroString(run.repeat(10_000));
  }
  assert.ok(performance.now() - startedMs < 1_000);
});
