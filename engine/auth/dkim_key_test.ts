import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { Buffer } from "node:buffer";
import {
  defaultSelector,
  dkimRecord,
  dkimRecordName,
  generateSigningKey,
  parseDkimRecord,
  txtStrings,
} from "./dkim_key.ts";

const VECTORS = new URL("../../../shared/data/parse-vectors.json", import.meta.url);

Deno.test("generateSigningKey: RSA of 2048 bits and Ed25519, published as their RFCs say", async () => {
  for (const algorithm of ["rsa-sha256", "ed25519-sha256"] as const) {
    const { privateKey, publicKey } = await generateSigningKey(algorithm);
    const key = createPrivateKey({
      key: Buffer.from(privateKey),
      format: "der",
      type: "pkcs8",
    });
    const spki = createPublicKey(key).export({ format: "der", type: "spki" });
    const octets = Buffer.from(publicKey, "base64");
    if (algorithm === "rsa-sha256") {
      // RFC 6376 §3.6.1
      assert.deepEqual(octets, Buffer.from(spki));
      assert.equal(key.asymmetricKeyDetails?.modulusLength, 2048);
    } else {
      // RFC 8463 §4
      assert.equal(octets.length, 32);
      assert.deepEqual(octets, Buffer.from(spki).subarray(-32));
    }
    const record = dkimRecord({ algorithm, publicKey });
    assert.deepEqual(parseDkimRecord(record), {
      kind: "key",
      algorithm,
      publicKey,
      isTesting: false,
      isStrict: false,
    });
    assert.equal(txtStrings(record).join(""), record);
    assert.ok(txtStrings(record).every((string) => string.length <= 255));
  }
});

Deno.test("dkimRecordName, defaultSelector: names that tell when, what for, and which key", () => {
  const nowMs = Date.UTC(2026, 10, 23);
  const selectors = (["rsa-sha256", "ed25519-sha256"] as const).flatMap((algorithm) =>
    ["AAAA", "BBBB"].map((publicKey) => defaultSelector({ algorithm, publicKey }, nowMs))
  );
  assert.match(selectors.join(" "), /^(?:202611r-[0-9a-f]{6} ){2}(?:202611e-[0-9a-f]{6} ?){2}$/);
  assert.equal(new Set(selectors).size, 4);
  assert.equal(dkimRecordName("example.org", "202611r"), "202611r._domainkey.example.org");
});

Deno.test("parseDkimRecord: takes a time that grows with the record alone", () => {
  const startedMs = performance.now();
  parseDkimRecord(`v=DKIM1; p=A${" ".repeat(200_000)}A`);
  // Ones are usual; what grew with the square took tens of thousands.
  assert.ok(performance.now() - startedMs < 2_000);
});

Deno.test("parseDkimRecord: tells keys, revoked keys and faults apart (RFC 6376 §3.6.1)", () => {
  const kinds: [string, string][] = [
    ["v=DKIM1; k=rsa; p=AAAA", "key"],
    ["p=AAAA", "key"],
    [" v = DKIM1 ;k=ed25519; p = AA AA ;", "key"],
    ["v=DKIM1; h=sha1:sha256; s=email:x; p=AAAA", "key"],
    ["v=DKIM1; p=", "revoked"],
    ["", "fault"],
    ["v=DKIM1", "fault"],
    ["v=DKIM2; p=AAAA", "fault"],
    ["k=rsa; v=DKIM1; p=AAAA", "fault"],
    ["v=DKIM1; p=AAAA; p=BBBB", "fault"],
    ["v=DKIM1; h=sha1; p=AAAA", "fault"],
    ["v=DKIM1; s=other; p=AAAA", "fault"],
    ["v=DKIM1; k=dsa; p=AAAA", "fault"],
    ["v=DKIM1; p=A-_A", "fault"],
    ["v=DKIM1; nonsense; p=AAAA", "fault"],
  ];
  for (const [text, kind] of kinds) assert.equal(parseDkimRecord(text).kind, kind, text);
  const testing = parseDkimRecord("v=DKIM1; t=s:y; p=AAAA");
  assert.ok(testing.kind === "key" && testing.isTesting && testing.isStrict);
});

Deno.test({
  name: "parseDkimRecord: takes no record that others hold for broken",
  ignore: !existsSync(VECTORS),
  fn() {
    const vectors: { input: string; rest: string }[] = JSON.parse(
      readFileSync(VECTORS, "utf8"),
    )["dkim-key-record"];
    for (const { input, rest } of vectors) {
      if (/parseErr|errRecord(?!BadPublicKey)/.test(rest)) {
        const { kind } = parseDkimRecord(input);
        assert.notEqual(kind, "key", `${JSON.stringify(input)}: ${rest}`);
      }
    }
  },
});
