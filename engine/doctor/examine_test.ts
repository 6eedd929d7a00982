import assert from "node:assert/strict";
import type { Resolver } from "../dns/resolver.ts";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { examineDns } from "./examine.ts";
import { levelOf } from "./finding.ts";
import { caseDomain, caseFacts, CASES, caseZones } from "./testdata/cases.ts";

const ZONES = caseZones();

/** What the doctor says of a case, as text to compare. */
async function said(index: number, resolver: Resolver): Promise<string[]> {
  const { checks } = await examineDns(caseFacts(index), resolver);
  return checks.map(({ subject, verdict, reason }) => `${subject}: ${verdict}: ${reason}`);
}

Deno.test("examineDns: a domain that is right is right in everything", async () => {
  const { checks, records } = await examineDns(caseFacts(-1), new ZoneResolver(ZONES));
  assert.deepEqual(checks.filter(({ verdict }) => verdict !== "right"), []);
  assert.equal(checks.length, 12);
  assert.ok(records.some(({ part, value }) => part === "ptr" && value === "mail.case1.example."));
});

for (const [index, { name, subject, verdict, reason }] of CASES.entries()) {
  Deno.test(`examineDns: ${name} is ${verdict}`, async () => {
    const { checks } = await examineDns(caseFacts(index), new ZoneResolver(ZONES));
    const check = checks.find((each) => each.subject.startsWith(subject));
    assert.ok(check);
    assert.equal(check.verdict, verdict, check.reason);
    assert.match(check.reason, reason);
    assert.equal((check.mend ?? "") === "", verdict === "right");
  });
}

Deno.test("examineDns: of what cannot be asked nothing is said but that", async () => {
  const { domain, host, address } = caseDomain(-1);
  const failing = Object.fromEntries(
    Object.entries(ZONES).filter(([name]) => name === host || name.endsWith(domain))
      .map(([name]) => [name, { fails: "servfail" } as const]),
  );
  const resolver = new ZoneResolver({ ...ZONES, ...failing });
  const facts = { ...caseFacts(-1), addresses: [address] };
  const { checks } = await examineDns(facts, resolver);
  assert.deepEqual(new Set(checks.map(({ verdict }) => verdict)), new Set(["unreachable"]));
  assert.ok(checks.every(({ reason }) => reason.includes("SERVFAIL")));
  assert.equal(checks.filter((check) => levelOf(check) === "fail").length, 5);
});

Deno.test("examineDns: an SPF include that cannot be asked is not an error of ours", async () => {
  const { domain, host } = caseDomain(-1);
  const resolver = new ZoneResolver({
    ...ZONES,
    [domain]: {
      mx: [{ preference: 10, exchange: host }],
      txt: [`v=spf1 include:_spf.${domain} -all`],
    },
    [`_spf.${domain}`]: { fails: "timeout" },
  });
  const spf = (await said(-1, resolver)).find((line) => line.startsWith("SPF"));
  assert.match(spf ?? "", /^SPF: unreachable: .*could not be evaluated/);
});

Deno.test("examineDns: a domain without a key to sign with is told so", async () => {
  const facts = { ...caseFacts(-1), keys: [] };
  const { checks } = await examineDns(facts, new ZoneResolver(ZONES));
  const dkim = checks.find(({ subject }) => subject === "DKIM");
  assert.ok(dkim);
  assert.equal(levelOf(dkim), "fail");
  assert.match(dkim.reason, /no key to sign with/);
});
