import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { authorDomain } from "./author_domain.ts";
import { DmarcEvaluation } from "./dmarc.ts";
import { parseDmarcRecord } from "./dmarc_record.ts";
import type { DkimResult, DmarcResult, SpfResult } from "./results.ts";
import { SignedMessage } from "./signed_message.ts";

interface Case {
  readonly from?: string;
  readonly zone: ZoneData;
  readonly spf?: string;
  readonly spfVerdict?: SpfResult["verdict"];
  /** Domains whose signatures pass. */
  readonly dkim?: readonly string[];
  readonly dkimVerdict?: DkimResult["verdict"];
}

function evaluate(
  { from = "mail.a.test", zone, spf = "", spfVerdict = "pass", dkim = [], dkimVerdict = "pass" }:
    Case,
): Promise<DmarcResult> {
  const evaluation = new DmarcEvaluation(
    { kind: "domain", domain: from },
    new ZoneResolver(zone),
  );
  const mfrom: SpfResult = {
    verdict: spf === "" ? "none" : spfVerdict,
    scope: "mfrom",
    domain: spf,
    sender: `x@${spf}`,
    explanation: null,
    reason: null,
  };
  const signed = dkim.map((domain): DkimResult => ({
    verdict: dkimVerdict,
    domain,
    ...{ selector: "s", identity: `@${domain}`, algorithm: "rsa-sha256", signaturePrefix: "x" },
    reason: null,
  }));
  return evaluation.result({ mfrom, dkim: signed });
}

const record = (text: string) => ({ txt: [`v=DMARC1; ${text}`] });
const A = { "_dmarc.a.test": record("p=reject; rua=mailto:r@a.test") };

Deno.test("DmarcEvaluation: a pass of the same organization passes (RFC 9989 §4.4)", async () => {
  for (const domain of ["mail.a.test", "a.test", "other.a.test"]) {
    const byDkim = await evaluate({ zone: A, dkim: ["b.test", domain] });
    assert.deepEqual([byDkim.verdict, byDkim.isDkimAligned, byDkim.isSpfAligned], [
      "pass",
      true,
      false,
    ]);
    const bySpf = await evaluate({ zone: A, spf: domain });
    assert.deepEqual([bySpf.verdict, bySpf.isDkimAligned, bySpf.isSpfAligned], [
      "pass",
      false,
      true,
    ]);
  }
  const failed = await evaluate({ zone: A, spf: "b.test", dkim: ["c.test", "xa.test", "test"] });
  assert.deepEqual([failed.verdict, failed.policy, failed.policyDomain], [
    "fail",
    "reject",
    "a.test",
  ]);
  assert.deepEqual(failed.reportTo, ["mailto:r@a.test"]);
  assert.equal(failed.record?.p, "reject");
  for (const dkimVerdict of ["fail", "policy", "permerror", "neutral"] as const) {
    assert.equal((await evaluate({ zone: A, dkim: ["a.test"], dkimVerdict })).verdict, "fail");
  }
  assert.equal(
    (await evaluate({ zone: A, spf: "a.test", spfVerdict: "softfail" })).verdict,
    "fail",
  );
});

Deno.test("DmarcEvaluation: strict alignment is equality (RFC 9989 §4.4)", async () => {
  const zone = { "_dmarc.a.test": record("p=none; adkim=s"), "_dmarc.b.test": record("aspf=S") };
  const verdict = async (c: Omit<Case, "zone">) => (await evaluate({ zone, ...c })).verdict;
  assert.equal(await verdict({ from: "a.test", dkim: ["mail.a.test"] }), "fail");
  assert.equal(await verdict({ from: "a.test", dkim: ["a.test"] }), "pass");
  assert.equal(await verdict({ from: "a.test", spf: "mail.a.test" }), "pass");
  assert.equal(await verdict({ from: "b.test", spf: "mail.b.test" }), "fail");
  assert.equal(await verdict({ from: "b.test", dkim: ["mail.b.test"] }), "pass");
});

Deno.test("DmarcEvaluation: finds the policy by the tree walk (RFC 9989 §4.10)", async () => {
  const found = async (from: string, zone: ZoneData) => {
    const { verdict, policy, policyDomain } = await evaluate({ from, zone });
    return verdict === "none" ? "none" : `${policyDomain} ${policy}`;
  };
  const sp = {
    "_dmarc.a.test": record("p=reject; sp=quarantine"),
    "x.a.test": { a: ["192.0.2.1"] },
  };
  assert.equal(await found("a.test", sp), "a.test reject");
  assert.equal(await found("x.a.test", sp), "a.test quarantine");
  assert.equal(await found("z.y.x.a.test", sp), "a.test quarantine");
  // np counts for names that do not exist.
  const np = { ...sp, "_dmarc.a.test": record("p=none; sp=quarantine; np=reject") };
  assert.equal(await found("x.a.test", np), "a.test quarantine");
  assert.equal(await found("nowhere.a.test", np), "a.test reject");
  // The nearest of its own, else the highest.
  const two = { "_dmarc.x.a.test": record("p=quarantine"), "_dmarc.a.test": record("p=reject") };
  assert.equal(await found("x.a.test", two), "x.a.test quarantine");
  assert.equal(await found("y.x.a.test", two), "a.test reject");
  // A public suffix speaks for what lies below it and has no record.
  const psd = { "_dmarc.bank.test": record("p=reject; psd=y") };
  assert.equal(await found("x.a.bank.test", psd), "bank.test reject");
  assert.equal(
    await found("x.a.bank.test", { ...psd, "_dmarc.a.bank.test": record("p=none") }),
    "a.bank.test none",
  );
  assert.equal(
    await found("x.y.a.test", { ...two, "_dmarc.y.a.test": record("p=none; psd=n") }),
    "y.a.test none",
  );
  const none: ZoneData[] = [
    {},
    { "_dmarc.a.test": { txt: ["v=DMARC1; p=reject", "v=DMARC1; p=none"] } },
    { "_dmarc.a.test": { txt: ["v=spf1 -all", "DMARC1; p=reject"] } },
    { "_dmarc.a.test": record("p=banish") },
  ];
  for (const zone of none) assert.equal(await found("a.test", zone), "none");
  const beside = { "_dmarc.a.test": { txt: ["other", "v=DMARC1; p=reject"] } };
  assert.equal(await found("a.test", beside), "a.test reject");
});

Deno.test("DmarcEvaluation: organizations end where psd= says (RFC 9989 §4.10.2)", async () => {
  const zone = {
    "_dmarc.bank.test": record("p=reject; psd=y"),
    "_dmarc.x.a.bank.test": record("p=reject; psd=n"),
  };
  const verdict = async (from: string, domain: string) =>
    (await evaluate({ from, zone, dkim: [domain] })).verdict;
  assert.equal(await verdict("a.bank.test", "m.a.bank.test"), "pass");
  assert.equal(await verdict("a.bank.test", "b.bank.test"), "fail");
  assert.equal(await verdict("a.bank.test", "bank.test"), "fail");
  assert.equal(await verdict("a.bank.test", "x.a.bank.test"), "fail");
  assert.equal(await verdict("m.x.a.bank.test", "x.a.bank.test"), "pass");
  // What a domain says of itself as a suffix is about those below it.
  const own = { "_dmarc.b.c.test": record("psd=y"), "_dmarc.c.test": record("p=none") };
  assert.equal((await evaluate({ from: "b.c.test", zone: own, dkim: ["c.test"] })).verdict, "pass");
});

Deno.test("DmarcEvaluation: long names are walked in eight questions (RFC 9989 §4.10)", async () => {
  const asked: string[] = [];
  const zone = new ZoneResolver({});
  const evaluation = new DmarcEvaluation(
    { kind: "domain", domain: "a.b.c.d.e.f.g.h.i.j.mail.example.test" },
    { a: (name) => zone.a(name), txt: (name) => (asked.push(name), zone.txt(name)) },
  );
  const mfrom: SpfResult = {
    ...{ verdict: "none", scope: "mfrom", domain: "", sender: "" },
    ...{ explanation: null, reason: null },
  };
  assert.equal((await evaluation.result({ mfrom, dkim: [] })).verdict, "none");
  assert.equal(asked.length, 8);
  assert.equal(asked[1], "_dmarc.g.h.i.j.mail.example.test");
  assert.equal(asked[7], "_dmarc.test");
});

Deno.test("DmarcEvaluation: what may yet pass has not failed (RFC 9989 §5.3.5)", async () => {
  const open = async (c: Omit<Case, "zone">, zone: ZoneData = A) => {
    const { verdict, policy } = await evaluate({ zone, ...c });
    return `${verdict} ${policy}`;
  };
  assert.equal(await open({ dkim: ["a.test"], dkimVerdict: "temperror" }), "temperror reject");
  assert.equal(await open({ spf: "a.test", spfVerdict: "temperror" }), "temperror reject");
  assert.equal(await open({ dkim: ["b.test"], dkimVerdict: "temperror" }), "fail reject");
  assert.equal(
    await open({ spf: "a.test", dkim: ["a.test"], dkimVerdict: "temperror" }),
    "pass reject",
  );
  const slow: ZoneData = { ...A, "_dmarc.mail.a.test": { fails: "timeout" } };
  assert.equal(await open({}, slow), "temperror null");
  // Where the organization is not known, but the domain itself passes, it is not asked for.
  const halfSlow = {
    "_dmarc.mail.a.test": record("p=reject"),
    "_dmarc.a.test": { fails: "servfail" as const },
  };
  assert.equal(await open({ dkim: ["mail.a.test"] }, halfSlow), "pass reject");
  assert.equal(await open({ dkim: ["a.test"] }, halfSlow), "temperror reject");
  assert.equal(await open({ dkim: ["b.example"] }, halfSlow), "fail reject");
});

Deno.test("parseDmarcRecord: broken tags count as left out (RFC 9989 §4.7)", () => {
  assert.equal(parseDmarcRecord("v=DMARC1")?.policies?.domain, "none");
  assert.equal(parseDmarcRecord(" v = DMARC1 ;p = Reject;")?.policies?.domain, "reject");
  assert.equal(parseDmarcRecord("v=DMARC1; p=reject; p=none")?.policies?.domain, "reject");
  assert.equal(parseDmarcRecord("v=DMARC1; p=nil")?.policies, null);
  for (
    const text of [
      "v=dmarc1; p=none",
      "p=none; v=DMARC1",
      "v=DMARC10; p=none",
      "",
      "v=DMARC1 p=none",
    ]
  ) {
    assert.equal(parseDmarcRecord(text), null, text);
  }
  const wrong = parseDmarcRecord("v=DMARC1; p=reject; sp=nil; rua=mailto:a@b.test")!;
  assert.deepEqual(wrong.policies, {
    domain: "none",
    subdomains: "none",
    missingSubdomains: "none",
  });
  assert.equal(parseDmarcRecord("v=DMARC1; p=reject; sp=nil")!.policies, null);
  const full = parseDmarcRecord(
    "v=DMARC1; p=quarantine; t=y; adkim=s; psd=x; junk; =; rua=mailto:a@b.test!10m, oops ,https://x.test/",
  )!;
  assert.deepEqual(
    [full.isTesting, full.isDkimStrict, full.isSpfStrict, full.psd],
    [true, true, false, "u"],
  );
  assert.deepEqual(full.reportTo, ["mailto:a@b.test!10m", "https://x.test/"]);
});

Deno.test("authorDomain: the domain readers see, or none (RFC 9989 §5.3.1)", () => {
  const read = (header: string) => {
    const octets = Buffer.from(`${header}\r\n\r\n`, "utf8");
    const author = authorDomain(new SignedMessage(octets, readHeaderSection(octets)));
    return author.kind === "domain" ? author.domain : author.isAmbiguous ? "ambiguous" : "none";
  };
  const cases: [string, string][] = [
    ["From: Ann <ann@A.Test>", "a.test"],
    ["from : ann@a.test", "a.test"],
    ['From: "eve@evil.test" <ann@a.test>', "a.test"],
    ["From: ann@a.test, bob@A.TEST", "a.test"],
    ["From: ann@b\u00fccher.test", "xn--bcher-kva.test"],
    // Broken, and yet all in it is of one domain.
    ["From: Ann, of A. <ann@a.test>", "a.test"],
    ["From: Ann \u00ab<ann@a.test>,", "a.test"],
    ["From: ann@a.test, eve@e.test", "ambiguous"],
    ["From: ann@a.test <eve@e.test>", "ambiguous"],
    ["From: ann@a.test\r\nFrom: ann@a.test", "ambiguous"],
    ["From: ann@[192.0.2.1]", "none"],
    ["From: ann@localhost", "none"],
    ["From: Mail Delivery System", "none"],
    ["From:", "none"],
    ["To: ann@a.test", "none"],
    [`From: ${"(x)".repeat(4_000)}ann@a.test`, "ambiguous"],
  ];
  for (const [header, expected] of cases) assert.equal(read(header), expected, header);
});

const TEXT = fc.array(fc.constantFrom(...'@.<>,;:"()\\=a \u00e9\0\r\n\u202ev'), { maxLength: 60 })
  .map((characters) => characters.join(""));

Deno.test("parseDmarcRecord, authorDomain: no text throws or takes long", () => {
  fc.assert(fc.property(TEXT, (text) => {
    parseDmarcRecord(`v=DMARC1;${text}`);
    const octets = Buffer.from(`From:${text}\r\n\r\n`);
    authorDomain(new SignedMessage(octets, readHeaderSection(octets)));
  }));
  const startedMs = performance.now();
  for (const run of ["@", "@.", "a@b.", " ", ";", "=", "(", '"', "a=b;", "@a "]) {
    parseDmarcRecord(`v=DMARC1;${run.repeat(4_000)}`);
    const octets = Buffer.from(`From: ${run.repeat(60_000)}\r\n\r\n`);
    authorDomain(new SignedMessage(octets, readHeaderSection(octets)));
  }
  assert.ok(performance.now() - startedMs < 2_000);
});
