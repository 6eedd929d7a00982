import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readHeaderSection } from "../mail/header_section.ts";
import { authenticationResultsField, forgedResults } from "./authentication_results.ts";
import type { Authentication, DkimResult, SpfResult } from "./results.ts";

const HELO: SpfResult = {
  ...{ verdict: "none", scope: "helo", domain: "mx.a.test", sender: "postmaster@mx.a.test" },
  ...{ explanation: null, reason: "mx.a.test has no SPF record" },
};
const MFROM: SpfResult = {
  ...{ verdict: "pass", scope: "mfrom", domain: "a.test", sender: "ann@a.test" },
  ...{ explanation: null, reason: "mx matches" },
};
const DKIM: DkimResult = {
  ...{ verdict: "pass", domain: "a.test", selector: "s1", identity: "@a.test" },
  ...{ algorithm: "rsa-sha256", signaturePrefix: "ab/cd+ef", reason: null },
};
const AUTHENTICATION: Authentication = {
  helo: HELO,
  mfrom: MFROM,
  dkim: [DKIM],
  arc: { verdict: "none", sealers: [], firstResults: null, reason: null },
  dmarc: {
    ...{ verdict: "pass", fromDomain: "a.test", policyDomain: "a.test", policy: "reject" },
    ...{ isTesting: false, isSpfAligned: true, isDkimAligned: true, reportTo: [], record: null },
    reason: null,
  },
};

const hostname = "mx.here.test";

/** On one line. */
function field(
  change: Partial<Authentication> = {},
  reverse?: Parameters<typeof authenticationResultsField>[1]["reverse"],
) {
  const text = authenticationResultsField({ ...AUTHENTICATION, ...change }, { hostname, reverse });
  return text.replace(/\r\n\t+/g, " ");
}

Deno.test("authenticationResultsField: says what was found (RFC 8601 §2.2)", () => {
  assert.equal(
    field({}, { verdict: "pass", address: "192.0.2.1", name: "mx.a.test" }),
    "Authentication-Results: mx.here.test; iprev=pass policy.iprev=192.0.2.1; " +
      "spf=pass smtp.mailfrom=ann@a.test; " +
      'spf=none reason="mx.a.test has no SPF record" smtp.helo=mx.a.test; ' +
      'dkim=pass header.d=a.test header.s=s1 header.i=@a.test header.a=rsa-sha256 header.b="ab/cd+ef"; ' +
      "dmarc=pass header.from=a.test policy.dmarc=reject\r\n",
  );
  assert.match(field({ dkim: [] }), /; dkim=none; dmarc=/);
  assert.match(
    field({ mfrom: { ...HELO, scope: "mfrom" } }),
    /test; spf=none [^;]*smtp\.helo=mx\.a\.test; dkim/,
  );
  const arc = { verdict: "pass", sealers: ["l.test"], firstResults: "", reason: null } as const;
  assert.match(field({ arc }), /; arc=pass reason="sealed by l\.test"; /);
  assert.match(
    field({}, { verdict: "none", address: "2001:db8::1", name: null }),
    /iprev=permerror policy\.iprev="2001:db8::1";/,
  );
});

Deno.test("authenticationResultsField: lines are folded and short (RFC 5322 §2.1.1)", () => {
  const text = authenticationResultsField({ ...AUTHENTICATION, dkim: Array(30).fill(DKIM) }, {
    hostname,
  });
  assert.equal(text.match(/dkim=/g)?.length, 10);
  for (const line of text.split("\r\n")) assert.ok(line.length <= 78, line);
});

Deno.test("authenticationResultsField: no stranger's text gets out of its place", () => {
  const hostile = fc.array(
    fc.constantFrom(
      "a",
      "@",
      ".",
      " ",
      ";",
      '"',
      "\\",
      "(",
      ")",
      "\r\n",
      "\0",
      "\u00e9",
      "\u202e",
      "dmarc=pass",
      "=",
    ),
    { maxLength: 40 },
  ).map((pieces) => pieces.join(""));
  fc.assert(fc.property(hostile, (text) => {
    const line = authenticationResultsField({
      ...AUTHENTICATION,
      mfrom: { ...MFROM, verdict: "fail", sender: text, reason: text },
      dkim: [{ ...DKIM, identity: text, reason: text, selector: text, signaturePrefix: text }],
      arc: { verdict: "fail", sealers: [], firstResults: text, reason: text },
    }, { hostname });
    assert.match(line, /^[\t\r\n -~]*\r\n$/);
    // Whoever takes out what is quoted finds the results that are ours and no others.
    const bare = line.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\r\n(?=\t)/g, "");
    assert.doesNotMatch(bare, /[\\()]/);
    assert.equal(bare.slice(0, -2).includes("\r"), false);
    assert.deepEqual(
      bare.split(";").slice(1).map((result) => /^\s*([a-z]+)=/.exec(result)?.[1]),
      ["spf", "spf", "dkim", "arc", "dmarc"],
    );
    assert.ok(line.length < 4_000);
  }));
});

/** What is left of a header section when forged results are taken out. */
function left(header: string): string {
  const octets = Buffer.from(`${header}\r\n`, "utf8");
  let text = "";
  let at = 0;
  for (const range of forgedResults(octets, { header: readHeaderSection(octets), hostname })) {
    text += octets.toString("utf8", at, range.startOctet);
    at = range.endOctet;
  }
  return text + octets.toString("utf8", at, octets.length - 2);
}

Deno.test("forgedResults: fields that bear our name, however it is written (RFC 8601 §5)", () => {
  const ours = [
    "mx.here.test; spf=pass",
    "MX.Here.Test; spf=pass",
    "mx.here.test. 1; spf=pass",
    "mx.here.test",
    "mx.here.test/1; none",
    "\r\n\tmx.here.test;\r\n\tspf=pass",
    "\t (a (nested) comment \\) ) mx.here.test (b) ; spf=pass",
    '"mx.here.test"; spf=pass',
    '"mx\\.here.te\\st" ; spf=pass',
    "mx.here.test;",
    "mx.he\0re.test; spf=pass",
    "(never ends mx.here.test; spf=pass",
    `(${"x".repeat(10_000)}) mx.here.test; spf=pass`,
    '"mx.here.test; spf=pass',
    "mx.here.test(x); spf=pass",
  ];
  for (const value of ours) {
    for (const name of ["Authentication-Results:", "AUTHENTICATION-results :"]) {
      const header = `From: a@b.test\r\n${name} ${value}\r\nTo: c@d.test\r\n`;
      assert.equal(left(header), "From: a@b.test\r\nTo: c@d.test\r\n", JSON.stringify(value));
    }
  }
  const others = [
    "mx.other.test; spf=pass",
    "amx.here.test; spf=pass",
    "here.test; spf=pass (mx.here.test)",
    "mx.here.test.other.test; spf=pass",
    "(mx.here.test) x.test; spf=pass",
    "(a \\) mx.here.test) x.test; spf=pass",
    "",
    ";",
  ];
  for (const value of others) {
    const header = `Authentication-Results: ${value}\r\nTo: c@d.test\r\n`;
    assert.equal(left(header), header, value);
  }
  const chained = "ARC-Authentication-Results: i=1; mx.here.test; spf=pass\r\n";
  assert.equal(left(chained), chained);
});

Deno.test("forgedResults: each of several, also with bare line feeds and at the very end", () => {
  const one = "Authentication-Results: mx.here.test; spf=pass\n";
  assert.equal(left(`${one}${one}X: y\n${one}`), "X: y\n");
});

Deno.test("forgedResults: no header section throws or takes long", () => {
  const piece = fc.constantFrom(
    ...[
      "Authentication-Results:",
      "mx.here.test",
      "(",
      ")",
      '"',
      "\\",
      ";",
      " ",
      "\r\n",
      "\n",
      "\t",
      "\0",
    ],
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    const octets = Buffer.from(pieces.join(""));
    let at = 0;
    for (const range of forgedResults(octets, { header: readHeaderSection(octets), hostname })) {
      assert.ok(at <= range.startOctet && range.startOctet < range.endOctet);
      assert.ok(range.endOctet <= octets.length);
      at = range.endOctet;
    }
  }));
  const startedMs = performance.now();
  for (const run of ["(", '"', "\\", " ", "()", "x", '"\\']) {
    const octets = Buffer.from(
      `Authentication-Results: ${run.repeat(200_000 / run.length)}\r\n\r\n`,
    );
    forgedResults(octets, { header: readHeaderSection(octets), hostname });
  }
  assert.ok(performance.now() - startedMs < 2_000);
});
