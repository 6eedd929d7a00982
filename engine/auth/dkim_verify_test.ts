import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync, hash } from "node:crypto";
import fc from "fast-check";
import { openNodeSigner } from "../crypto/node_signer.ts";
import { openNodeVerifyingKey } from "../crypto/node_verifier.ts";
import { CachedVerifier } from "../crypto/verifier_cache.ts";
import type { TempfailReason } from "../dns/resolver.ts";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { verifyArc } from "./arc_verify.ts";
import { relaxedField } from "./dkim_canonical.ts";
import { verifyDkim } from "./dkim_verify.ts";
import type { DkimResult } from "./results.ts";
import { SignedMessage } from "./signed_message.ts";
import { parseTagList } from "./tag_list.ts";

const NOW_MS = Date.UTC(2026, 0, 2);
const KEYS = { rsa: rsaKey(2048), short: rsaKey(1000) };
const ed25519 = generateKeyPairSync("ed25519");
const HEADER = "From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: a  b\r\n";
const BODY = "one line\r\nand  another\r\n";

function rsaKey(bits: number) {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  return {
    der: new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" })),
    text: publicKey.export({ format: "der", type: "spki" }).toString("base64"),
  };
}

const ED_TEXT = ed25519.publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  .toString("base64");
const ED_DER = new Uint8Array(ed25519.privateKey.export({ format: "der", type: "pkcs8" }));

interface Signing {
  readonly tags?: Readonly<Record<string, string>>;
  readonly key?: "rsa" | "short" | "ed25519";
  /** Signed, in place of what stands in the message. */
  readonly body?: string;
}

/** A relaxed signature over From, To and Subject, by the rules said plainly. */
function signature({ tags = {}, key = "rsa", body = BODY }: Signing = {}): string {
  const relaxed = body.replace(/[ \t]+(?=\r\n)/g, "").replace(/[ \t]+/g, " ");
  const { l } = tags;
  const covered = l === undefined ? relaxed : relaxed.slice(0, Number(l));
  const all: Record<string, string> = {
    v: "1",
    a: key === "ed25519" ? "ed25519-sha256" : "rsa-sha256",
    c: "relaxed/relaxed",
    d: "a.test",
    s: key,
    h: "from:to:subject",
    bh: hash("sha256", covered, "base64"),
    ...tags,
  };
  const value = " " + Object.entries(all).map(([tag, text]) => `${tag}=${text}; `).join("") + "b=";
  const fields: Record<string, string[]> = {};
  for (const line of HEADER.split("\r\n").slice(0, -1)) {
    const [, name, text] = /^([^:]*):(.*)$/.exec(line)!;
    (fields[name.toLowerCase()] ??= []).push(relaxedField(name, text));
  }
  const signed = all.h.split(":").map((name) => fields[name.toLowerCase()]?.pop())
    .filter((field) => field !== undefined).map((field) => `${field}\r\n`).join("") +
    relaxedField("DKIM-Signature", value);
  const der = key === "ed25519" ? ED_DER : KEYS[key].der;
  using signer = openNodeSigner(key === "ed25519" ? "ed25519-sha256" : "rsa-sha256", der);
  return `DKIM-Signature:${value}${
    Buffer.from(signer.sign(Buffer.from(signed))).toString("base64")
  }\r\n`;
}

function zone(rsa = "", fails?: TempfailReason) {
  return new ZoneResolver({
    "rsa._domainkey.a.test": fails === undefined
      ? { txt: [`v=DKIM1; ${rsa}p=${KEYS.rsa.text}`] }
      : { fails },
    "short._domainkey.a.test": { txt: [`p=${KEYS.short.text}`] },
    "ed25519._domainkey.a.test": { txt: [`k=ed25519; p=${ED_TEXT}`] },
    "revoked._domainkey.a.test": { txt: ["v=DKIM1; p="] },
    "broken._domainkey.a.test": { txt: ["v=DKIM1; \x1b[31m=; p=A"] },
  });
}

async function verify(
  text: string,
  options: { readonly resolver?: ZoneResolver } = {},
): Promise<readonly DkimResult[]> {
  const octets = Buffer.from(text, "latin1");
  const message = new SignedMessage(octets, readHeaderSection(octets));
  const verifier = new CachedVerifier(openNodeVerifyingKey, { maxKeys: 10 });
  const { resolver = zone() } = options;
  return await verifyDkim(message, { resolver, verifier, nowMs: NOW_MS });
}

/** The verdict on one signature over the usual message. */
async function verdict(signing: Signing, resolver?: ZoneResolver): Promise<string> {
  const [result] = await verify(`${signature(signing)}${HEADER}\r\n${BODY}`, { resolver });
  return result.verdict;
}

Deno.test("verifyDkim: right signatures pass, by RSA and Ed25519 (RFC 6376, RFC 8463)", async () => {
  const results = await verify(
    `${signature()}${signature({ key: "ed25519" })}${HEADER}\r\n${BODY}`,
  );
  assert.deepEqual(results.map(({ verdict }) => verdict), ["pass", "pass"]);
  const [{ domain, selector, identity, algorithm, signaturePrefix, reason }] = results;
  assert.deepEqual([domain, selector, identity, algorithm, reason], [
    ...["a.test", "rsa", "@a.test", "rsa-sha256", null],
  ]);
  assert.match(signaturePrefix, /^[A-Za-z0-9+/]{8}$/);
});

Deno.test("verifyDkim: what relaxing forgives is forgiven, anything else is not (RFC 6376 §3.4)", async () => {
  const passes = async (header: string, body: string) =>
    (await verify(`${signature()}${header}\r\n${body}`))[0].verdict === "pass";
  assert.ok(await passes(HEADER.replace("Subject: a  b", "SUBJECT:  a\r\n b "), BODY));
  assert.ok(await passes(HEADER, "one line \t\r\nand another\r\n\r\n\r\n"));
  assert.ok(!await passes(HEADER.replace("a  b", "a  c"), BODY));
  assert.ok(!await passes(HEADER, BODY.replace("one", "two")));
  assert.ok(!await passes(HEADER.replace("Ann", "Eve"), BODY));
});

Deno.test("verifyDkim: a From put on top of the signed one is no pass (RFC 6376 §8.15)", async () => {
  const [result] = await verify(`From: eve@e.test\r\n${signature()}${HEADER}\r\n${BODY}`);
  assert.equal(result.verdict, "policy");
  const over = signature({ tags: { h: "from:from:to:subject" } });
  const [second] = await verify(`From: eve@e.test\r\n${over}${HEADER}\r\n${BODY}`);
  assert.equal(second.verdict, "fail");
  assert.equal((await verify(`${over}${HEADER}\r\n${BODY}`))[0].verdict, "pass");
});

Deno.test("verifyDkim: what stands behind l= is nobody's (RFC 6376 §8.2)", async () => {
  const l = String(BODY.replace("  ", " ").length);
  assert.equal(await verdict({ tags: { l } }), "pass");
  const more = `${HEADER}\r\n${BODY}Buy now\r\n`;
  assert.equal((await verify(signature({ tags: { l } }) + more))[0].verdict, "policy");
  assert.equal(await verdict({ tags: { l: "0" } }), "policy");
  assert.equal(await verdict({ tags: { l: "9999" } }), "fail");
  assert.equal(await verdict({ tags: { l: "-1" } }), "permerror");
});

Deno.test("verifyDkim: signatures that cannot be considered say so (RFC 6376 §6.1.1, RFC 8301)", async () => {
  const cases: [Signing, string][] = [
    [{ tags: { v: "2" } }, "permerror"],
    [{ tags: { a: "rsa-sha1" } }, "policy"],
    [{ tags: { a: "rsa-md5" } }, "permerror"],
    [{ key: "short" }, "policy"],
    [{ tags: { h: "to:subject" } }, "permerror"],
    [{ tags: { q: "http" } }, "permerror"],
    [{ tags: { q: "http:dns/txt" } }, "pass"],
    [{ tags: { c: "odd" } }, "permerror"],
    [{ tags: { i: "x@b.test" } }, "permerror"],
    [{ tags: { i: "x@evila.test" } }, "permerror"],
    [{ tags: { i: "x@sub.a.test" } }, "pass"],
    [{ tags: { x: String(NOW_MS / 1000 - 1) } }, "fail"],
    [{ tags: { x: String(NOW_MS / 1000 + 1) } }, "pass"],
    [{ tags: { t: "5", x: "4" } }, "permerror"],
    [{ tags: { s: "none" } }, "permerror"],
    [{ tags: { s: "revoked" } }, "permerror"],
    [{ tags: { s: "broken" } }, "permerror"],
    [{ tags: { s: "ed25519" } }, "permerror"],
    [{ tags: { d: "" } }, "permerror"],
    [{ tags: { bh: "?" } }, "permerror"],
  ];
  for (const [signing, expected] of cases) {
    assert.equal(await verdict(signing), expected, JSON.stringify(signing));
  }
  for (const text of ["", ";", "v=1; v=1", "v=1; =x", "v", "v=1;; b=x"]) {
    const [result] = await verify(`DKIM-Signature: ${text}\r\n${HEADER}\r\n${BODY}`);
    assert.equal(result.verdict, "permerror", text);
  }
});

Deno.test("verifyDkim: t=s holds i= to the domain itself (RFC 6376 §3.6.1)", async () => {
  const strict = zone("t=s; ");
  assert.equal(await verdict({ tags: { i: "x@sub.a.test" } }, strict), "permerror");
  assert.equal(await verdict({ tags: { i: "x@a.test" } }, strict), "pass");
});

Deno.test("verifyDkim: a key that cannot be looked up is temperror, and reasons are ASCII", async () => {
  assert.equal(await verdict({}, zone("", "servfail")), "temperror");
  const [{ reason }] = await verify(`${signature({ tags: { s: "broken" } })}${HEADER}\r\n${BODY}`);
  assert.match(reason!, /^[ -~]{1,150}$/);
});

Deno.test("verifyDkim: ten signatures and four ways to hash are considered, no more", async () => {
  const results = await verify(`${signature().repeat(12)}${HEADER}\r\n${BODY}`);
  assert.equal(results.length, 10);
  const ways = Array.from({ length: 6 }, (_, n) => signature({ tags: { l: String(n) } })).join("");
  const verdicts = (await verify(`${ways}${HEADER}\r\n${BODY}`)).map(({ verdict }) => verdict);
  assert.deepEqual(verdicts, [...Array(4).fill("policy"), ...Array(2).fill("permerror")]);
});

Deno.test("verifyDkim, verifyArc: no header section throws, whatever is in it", async () => {
  const piece = fc.constantFrom(
    ...["DKIM-Signature:", "ARC-Seal:", "ARC-Message-Signature:", "ARC-Authentication-Results:"],
    ...[
      "From:",
      " ",
      "v=1;",
      "a=rsa-sha256;",
      "d=a.test;",
      "s=rsa;",
      "h=from;",
      "bh=AA==;",
      "b=AA==",
    ],
    ...[
      "i=1;",
      "i=0",
      "i=50;",
      "cv=none;",
      "cv=pass;",
      "l=1;",
      "\r\n",
      "\r\n\t",
      "\n",
      ";",
      "=",
      "\xff",
      "\0",
    ],
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async (pieces) => {
      const octets = Buffer.from(pieces.join(""), "latin1");
      const message = new SignedMessage(octets, readHeaderSection(octets));
      const verifier = new CachedVerifier(openNodeVerifyingKey, { maxKeys: 10 });
      const options = { resolver: zone(), verifier, nowMs: NOW_MS };
      for (const { verdict } of await verifyDkim(message, options)) {
        assert.notEqual(verdict, "pass");
      }
      assert.notEqual((await verifyArc(message, options)).verdict, "pass");
    }),
    { numRuns: 300 },
  );
});

Deno.test("verifyDkim, verifyArc: take a time that grows with the header section alone", async () => {
  const size = 250_000;
  const headers = [
    `DKIM-Signature: ${"a=b;".repeat(size / 4)}\r\n`,
    `DKIM-Signature: v=1;${" ".repeat(size)}\r\n`,
    `DKIM-Signature: h=${"from:".repeat(size / 5)}\r\n`,
    `DKIM-Signature: ${"x".repeat(size)}\r\n`,
    "DKIM-Signature: v=1\r\n".repeat(size / 21),
    "ARC-Seal: i=1\r\n".repeat(size / 15),
    `ARC-Authentication-Results:${" ".repeat(size)}i=1;\r\n`,
    signature() + `Subject:${" \t".repeat(size / 2)}x\r\n`,
    signature() + "Subject: x\r\n".repeat(size / 12),
  ];
  for (const header of headers) {
    const startedMs = performance.now();
    const octets = Buffer.from(`${header}${HEADER}\r\n${BODY}`, "latin1");
    const message = new SignedMessage(octets, readHeaderSection(octets));
    const verifier = new CachedVerifier(openNodeVerifyingKey, { maxKeys: 10 });
    const options = { resolver: zone(), verifier, nowMs: NOW_MS };
    await verifyDkim(message, options);
    await verifyArc(message, options);
    const tookMs = performance.now() - startedMs;
    // Tens are usual; what grew with the square took tens of thousands.
    assert.ok(tookMs < 2_000, `${header.slice(0, 40)}: ${Math.round(tookMs)} ms`);
  }
});

Deno.test("parseTagList: reads what RFC 6376 §3.2 allows, with the places of the values", () => {
  const text = " v = 1 ;\r\n\tb= ab\r\n\tc ; ";
  const tags = parseTagList(text)!;
  assert.deepEqual([...tags.keys()], ["v", "b"]);
  const { value, start, end } = tags.get("b")!;
  assert.equal(value, "ab\r\n\tc");
  assert.equal(text.slice(0, start) + text.slice(end), " v = 1 ;\r\n\tb=; ");
  assert.equal(parseTagList("a=;b=")?.get("a")?.value, "");
  for (const broken of ["", ";", "a", "a=1;;", "a=1;a=2", "1a=1", "a=1; b", "=1"]) {
    assert.equal(parseTagList(broken), null, broken);
  }
});
