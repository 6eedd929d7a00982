import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { installed } from "../../tests/fixtures/process.ts";
import { makeSelfSigned } from "../crypto/self_signed.ts";
import { type CertificatePair, covers, judgePair } from "./certificate_pair.ts";

const NOW_MS = Date.now();
const DAY_MS = 24 * 3_600_000;
const MADE = await makeSelfSigned(["mail.example.org", "*.example.net"], { nowMs: NOW_MS });
const OTHER = await makeSelfSigned(["mail.example.org"], { nowMs: NOW_MS });
const PAIR: CertificatePair = {
  chain: MADE.cert,
  key: MADE.key,
  name: "mail.example.org",
  nowMs: NOW_MS,
};

function faultOf(change: Partial<CertificatePair>): string {
  const judgement = judgePair({ ...PAIR, ...change });
  return judgement.kind === "fault" ? judgement.fault : "";
}

Deno.test("judgePair: takes a pair for a name it covers, with what surrounds it left out", () => {
  const chain = `Bag Attributes\n${MADE.cert}\nissuer\n${OTHER.cert}`;
  const judgement = judgePair({ ...PAIR, chain, name: "a.example.net" });
  assert.ok(judgement.kind === "good");
  assert.match(judgement.chain, /^-----BEGIN CERT[^]+-----\n-----BEGIN CERT[^]+-----\n$/);
  assert.doesNotMatch(judgement.chain, /issuer/);
  assert.ok(judgement.notAfterMs > NOW_MS + 365 * DAY_MS);
});

Deno.test("judgePair: keys of OpenSSL's older forms become PKCS #8; RSA and ECDSA only", async () => {
  const openssl = await installed(["/usr/bin/openssl"]);
  if (openssl === null) return console.log("skipped: openssl is not installed");
  const ec = await Deno.makeTempDir({ prefix: "sluice-pair-" });
  await Deno.writeTextFile(`${ec}/key.pem`, MADE.key);
  const { stdout } = await new Deno.Command(openssl, { args: ["ec", "-in", `${ec}/key.pem`] })
    .output();
  await Deno.remove(ec, { recursive: true });
  const sec1 = new TextDecoder().decode(stdout);
  assert.match(sec1, /BEGIN EC PRIVATE KEY/);
  const judgement = judgePair({ ...PAIR, key: sec1 });
  assert.ok(judgement.kind === "good");
  assert.match(judgement.privateKey, /^-----BEGIN PRIVATE KEY-----/);
  const ed25519 = generateKeyPairSync("ed25519").privateKey.export({
    type: "pkcs8",
    format: "pem",
  });
  assert.match(faultOf({ key: ed25519 as string }), /neither RSA nor ECDSA but ed25519/);
});

Deno.test("judgePair: says what is wrong in words", () => {
  assert.match(faultOf({ key: OTHER.key }), /does not belong/);
  assert.match(faultOf({ chain: `${OTHER.cert}\n${MADE.cert}` }), /must stand first/);
  assert.match(
    faultOf({ name: "example.org" }),
    /not for example\.org, but for mail\.example\.org/,
  );
  assert.match(faultOf({ nowMs: NOW_MS + 11 * 365 * DAY_MS }), /expired on \d{4}-\d\d-\d\d/);
  assert.match(faultOf({ nowMs: NOW_MS - 2 * DAY_MS }), /valid from \d{4}/);
  assert.match(faultOf({ chain: MADE.key }), /no PEM certificate/);
  assert.match(faultOf({ chain: MADE.cert.replace(/\n..../, "\nAAAA") }), /certificate 1/);
  assert.match(faultOf({ chain: MADE.cert.repeat(11) }), /over 10/);
  assert.match(faultOf({ key: MADE.cert }), /no PEM private key/);
  assert.match(faultOf({ key: "-----BEGIN ENCRYPTED PRIVATE KEY-----" }), /passphrase/);
});

Deno.test("covers: an asterisk stands for one label, the leftmost (RFC 9525 §6.3)", () => {
  assert.ok(covers("*.example.org", "a.example.org"));
  assert.ok(covers("*.example.org", "*.example.org"));
  assert.ok(!covers("*.example.org", "example.org"));
  assert.ok(!covers("*.example.org", "a.b.example.org"));
  assert.ok(!covers("*.org", "*.example.org"));
  assert.ok(!covers("a.example.org", "*.example.org"));
  assert.ok(!covers("a*.example.org", "ab.example.org"));
});
