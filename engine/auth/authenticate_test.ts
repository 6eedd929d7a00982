import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { generateKeyPairSync } from "node:crypto";
import { openNodeSigner } from "../crypto/node_signer.ts";
import { openNodeVerifyingKey } from "../crypto/node_verifier.ts";
import { CachedVerifier } from "../crypto/verifier_cache.ts";
import type { Resolver } from "../dns/resolver.ts";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { sealForward } from "./arc_seal.ts";
import { authenticate } from "./authenticate.ts";
import { dkimRecord } from "./dkim_key.ts";
import { signMessage } from "./dkim_sign.ts";
import { checkSpf } from "./spf.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const DER = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }));
const KEY = dkimRecord({
  algorithm: "rsa-sha256",
  publicKey: publicKey.export({ format: "der", type: "spki" }).toString("base64"),
});
const MESSAGE = Buffer.from(
  "From: ann@a.test\r\nTo: list@l.test\r\nSubject: x\r\nDate: Fri, 02 Jan 2026 03:04:05 +0000\r\n" +
    "Message-ID: <1@a.test>\r\n\r\ntext\r\n",
);
const ZONE = new ZoneResolver({
  "a.test": { txt: ["v=spf1 ip4:192.0.2.1 -all"] },
  "_dmarc.a.test": { txt: ["v=DMARC1; p=reject"] },
  "s._domainkey.a.test": { txt: [KEY] },
  "s._domainkey.l.test": { txt: [KEY] },
});

async function signed(): Promise<Buffer> {
  using signer = openNodeSigner("rsa-sha256", DER);
  const fields = await signMessage(MESSAGE, readHeaderSection(MESSAGE), {
    openKeys: () => [{ domain: "a.test", selector: "s", signer }],
    nowMs: Date.now(),
  });
  return Buffer.concat([Buffer.from(fields), MESSAGE]);
}

async function found(
  octets: Uint8Array,
  options: { resolver?: Resolver; timeoutMs?: number; client?: string } = {},
) {
  const { resolver = ZONE, timeoutMs = 5_000, client = "192.0.2.1" } = options;
  const spf = await checkSpf({
    ...{ clientAddress: client, heloName: "mx.a.test", reversePath: "ann@a.test" },
    ...{ hostname: "mx.here.test", resolver, nowMs: Date.now(), timeoutMs },
  });
  return await authenticate(octets, readHeaderSection(octets), {
    ...{ spf, resolver, timeoutMs, nowMs: Date.now() },
    verifier: new CachedVerifier(openNodeVerifyingKey, { maxKeys: 10 }),
  });
}

Deno.test("authenticate: what our own signer signs passes, and what is changed does not", async () => {
  const octets = await signed();
  const { mfrom, dkim, arc, dmarc } = await found(octets);
  assert.deepEqual(
    [mfrom.verdict, dkim.map(({ verdict }) => verdict), arc.verdict, dmarc.verdict],
    ["pass", ["pass"], "none", "pass"],
  );
  assert.deepEqual([dmarc.isSpfAligned, dmarc.isDkimAligned], [true, true]);
  octets[octets.length - 4]++;
  const changed = await found(octets, { client: "192.0.2.9" });
  assert.deepEqual(
    [changed.mfrom.verdict, changed.dkim[0].verdict, changed.dmarc.verdict, changed.dmarc.policy],
    ["fail", "fail", "fail", "reject"],
  );
});

Deno.test("authenticate: a message from nobody has nothing to pass", async () => {
  for (const text of ["", "\r\n", "x", "From: a@b", "\r\n\r\n"]) {
    const { dkim, arc, dmarc } = await found(Buffer.from(text));
    assert.deepEqual([dkim, arc.verdict, dmarc.verdict], [[], "none", "permerror"], text);
  }
});

Deno.test("authenticate: the chain that our own sealer seals passes, and says what it found", async () => {
  const octets = await signed();
  const set = await sealForward(octets, {
    ...{ clientAddress: "192.0.2.1", heloName: "mx.a.test", reversePath: "ann@a.test" },
    ...{ hostname: "mx.l.test", domain: "l.test", selector: "s", resolver: ZONE, timeoutMs: 5_000 },
    privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  });
  const { arc } = await found(Buffer.concat([Buffer.from(set), octets]));
  assert.deepEqual([arc.verdict, arc.sealers], ["pass", ["l.test"]]);
  assert.match(arc.firstResults!, /^mx\.l\.test;.*dmarc=pass/);
});

Deno.test("authenticate: what the DNS does not say in time is temperror", async () => {
  const never = new Proxy(ZONE, { get: () => () => new Promise<never>(() => {}) });
  const startedMs = performance.now();
  const { mfrom, dkim, dmarc } = await found(await signed(), { resolver: never, timeoutMs: 40 });
  assert.deepEqual(
    [mfrom.verdict, dkim[0].verdict, dmarc.verdict],
    ["temperror", "temperror", "temperror"],
  );
  assert.ok(performance.now() - startedMs < 2_000);
});
