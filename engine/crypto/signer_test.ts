import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, hash, type KeyObject, verify } from "node:crypto";
import { openSslSigners } from "./ffi_openssl.ts";
import { openNodeSigner } from "./node_signer.ts";
import type { OpenSigner, SignatureAlgorithm } from "./signer.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ed25519 = generateKeyPairSync("ed25519").privateKey;
const octets = new TextEncoder().encode("to be signed");
const der = (key: KeyObject) => new Uint8Array(key.export({ format: "der", type: "pkcs8" }));

function isRight(key: KeyObject, signature: Uint8Array, signed = octets): boolean {
  const publicKey = createPublicKey(key);
  return key.asymmetricKeyType === "rsa"
    ? verify("sha256", signed, publicKey, signature)
    : verify(null, hash("sha256", signed, "buffer"), publicKey, signature);
}

const libcrypto = openSslSigners(openNodeSigner);
const implementations: [string, OpenSigner | null][] = [
  ["openNodeSigner", openNodeSigner],
  ["openSslSigners", libcrypto],
];

for (const [name, open] of implementations) {
  Deno.test({
    name: `${name}: signatures verify, others' do not (RFC 6376 §3.3, RFC 8463 §3)`,
    ignore: open === null,
    fn() {
      const keys: [SignatureAlgorithm, KeyObject][] = [
        ["rsa-sha256", rsa],
        ["ed25519-sha256", ed25519],
      ];
      for (const [algorithm, key] of keys) {
        using signer = open!(algorithm, der(key));
        assert.equal(signer.algorithm, algorithm);
        const first = signer.sign(octets);
        assert.ok(isRight(key, first));
        // A signer is used again and again, and what it answered stays.
        const other = new TextEncoder().encode("another");
        assert.ok(isRight(key, signer.sign(other), other));
        assert.ok(isRight(key, first));
        assert.ok(!isRight(key, first, other));
      }
    },
  });

  Deno.test({
    name: `${name}: what is no key of the algorithm is refused`,
    ignore: open === null,
    fn() {
      assert.throws(() => open!("rsa-sha256", new Uint8Array(100)));
      assert.throws(() => open!("rsa-sha256", new Uint8Array(0)));
      assert.throws(() => open!("rsa-sha256", der(ed25519)));
      assert.throws(() => open!("ed25519-sha256", der(rsa)));
    },
  });
}

Deno.test("openSslSigners: without libcrypto there is none", () => {
  assert.equal(openSslSigners(openNodeSigner, ["libcrypto.so.0"]), null);
});

Deno.test({
  name: "openSslSigners: a closed signer signs no more",
  ignore: libcrypto === null,
  fn() {
    const signer = libcrypto!("rsa-sha256", der(rsa));
    signer[Symbol.dispose]();
    signer[Symbol.dispose]();
    assert.throws(() => signer.sign(octets), /closed/);
  },
});
