import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { openSslVerifyingKeys } from "./ffi_openssl.ts";
import { openNodeSigner } from "./node_signer.ts";
import { openNodeVerifyingKey } from "./node_verifier.ts";
import { readRsaPublicKey } from "./rsa_public_key.ts";
import type { SignatureAlgorithm } from "./signer.ts";
import type { OpenVerifyingKey } from "./verifier.ts";
import { CachedVerifier } from "./verifier_cache.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const shortRsa = generateKeyPairSync("rsa", { modulusLength: 768 }).privateKey;
const ed25519 = generateKeyPairSync("ed25519").privateKey;
const octets = new TextEncoder().encode("signed");

function exported(key: KeyObject, type: "spki" | "pkcs1"): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ format: "der", type } as never) as Buffer);
}

function signatureOf(algorithm: SignatureAlgorithm, key: KeyObject): Uint8Array {
  const der = new Uint8Array(key.export({ format: "der", type: "pkcs8" }));
  using signer = openNodeSigner(algorithm, der);
  return new Uint8Array(signer.sign(octets));
}

const implementations: [string, OpenVerifyingKey | null][] = [
  ["openNodeVerifyingKey", openNodeVerifyingKey],
  ["openSslVerifyingKeys", openSslVerifyingKeys(openNodeVerifyingKey)],
];
const keys: [string, SignatureAlgorithm, KeyObject, Uint8Array, number][] = [
  ["RSA in SubjectPublicKeyInfo", "rsa-sha256", rsa, exported(rsa, "spki"), 2048],
  ["bare RSA", "rsa-sha256", rsa, exported(rsa, "pkcs1"), 2048],
  ["short RSA", "rsa-sha256", shortRsa, exported(shortRsa, "spki"), 768],
  ["Ed25519", "ed25519-sha256", ed25519, exported(ed25519, "spki").slice(-32), 256],
];

for (const [name, open] of implementations) {
  for (const [what, algorithm, privateKey, publicKey, bits] of keys) {
    Deno.test({
      name: `${name}: tells right signatures from wrong ones, ${what}`,
      ignore: open === null,
      fn() {
        using key = open!(algorithm, publicKey)!;
        assert.equal(key.bits, bits);
        const right = signatureOf(algorithm, privateKey);
        assert.ok(key.verify(octets, right));
        assert.ok(!key.verify(octets.subarray(1), right));
        for (const wrong of [right.slice(1), new Uint8Array(0), new Uint8Array(right.length)]) {
          assert.ok(!key.verify(octets, wrong));
        }
        const turned = right.slice();
        turned[9] ^= 1;
        assert.ok(!key.verify(octets, turned));
        // It is used again and again.
        assert.ok(key.verify(octets, right));
      },
    });
  }

  Deno.test({
    name: `${name}: what is no key of the algorithm is none`,
    ignore: open === null,
    fn() {
      assert.equal(open!("rsa-sha256", exported(ed25519, "spki")), null);
      assert.equal(open!("ed25519-sha256", exported(ed25519, "spki")), null);
      const spki = exported(rsa, "spki");
      fc.assert(fc.property(fc.nat(spki.length - 1), fc.nat(255), (at, octet) => {
        const broken = spki.slice(0, at % 3 === 0 ? at : undefined);
        if (at < broken.length) broken[at] = octet;
        const key = open!("rsa-sha256", broken);
        key?.verify(octets, new Uint8Array(256));
        key?.[Symbol.dispose]();
      }));
      fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (broken) => {
        for (const algorithm of ["rsa-sha256", "ed25519-sha256"] as const) {
          open!(algorithm, broken)?.[Symbol.dispose]();
        }
      }));
    },
  });
}

Deno.test("readRsaPublicKey: a key that would only cost time is none (RFC 8301 §3.2)", () => {
  const integer = (octets: number[]) => {
    const body = octets[0] >= 128 ? [0, ...octets] : octets;
    return [0x02, 0x82, body.length >> 8, body.length & 255, ...body];
  };
  const key = (n: number[], e: number[]) => {
    const body = [...integer(n), ...integer(e)];
    return Uint8Array.from([0x30, 0x82, body.length >> 8, body.length & 255, ...body]);
  };
  const modulus = (octets: number) => [255, ...Array(octets - 2).fill(1), 3];
  assert.equal(readRsaPublicKey(key(modulus(256), [1, 0, 1]))?.bits, 2048);
  assert.equal(readRsaPublicKey(key([0x7f, ...modulus(255)], [3]))?.bits, 2047);
  assert.equal(readRsaPublicKey(key(modulus(512), [3]))?.bits, 4096);
  assert.equal(readRsaPublicKey(key(modulus(513), [3])), null);
  assert.equal(readRsaPublicKey(key(modulus(256), modulus(5))), null);
  assert.equal(readRsaPublicKey(key(modulus(256), [2])), null);
});

Deno.test("CachedVerifier: says what became of a signature, and closes what it keeps no longer", () => {
  let opened = 0;
  let closed = 0;
  const verifier = new CachedVerifier((algorithm, publicKey) => {
    const key = openNodeVerifyingKey(algorithm, publicKey);
    if (key === null) return null;
    opened++;
    return {
      bits: key.bits,
      verify: (octets, signature) => key.verify(octets, signature),
      [Symbol.dispose]: () => void closed++,
    };
  }, { maxKeys: 2 });
  const verify = (at: number, signature?: Uint8Array) => {
    const [, algorithm, privateKey, publicKey] = keys[at];
    return verifier.verify({
      algorithm,
      publicKey: Buffer.from(publicKey).toString("base64"),
      octets,
      signature: signature ?? signatureOf(algorithm, privateKey),
    });
  };
  assert.equal(verify(0), "valid");
  assert.equal(verify(0, new Uint8Array(256)), "invalid");
  assert.equal(verify(2), "weak_key");
  assert.deepEqual([opened, closed], [2, 0]);
  assert.equal(verify(3), "valid");
  assert.deepEqual([opened, closed], [3, 1]);
  // The one asked for least lately went.
  assert.equal(verify(2), "weak_key");
  assert.equal(opened, 3);
  assert.equal(
    verifier.verify({ algorithm: "rsa-sha256", publicKey: "", octets, signature: octets }),
    "no_key",
  );
});
