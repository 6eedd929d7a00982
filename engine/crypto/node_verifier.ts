/** Verifies with Node's crypto: everywhere, and for RSA slowly, since Deno has it in Rust. */
import { Buffer } from "node:buffer";
import { createPublicKey, hash, verify } from "node:crypto";
import { readRsaPublicKey } from "./rsa_public_key.ts";
import type { OpenVerifyingKey, VerifyingKey } from "./verifier.ts";

const ED25519_OCTETS = 32;
/** SubjectPublicKeyInfo of an Ed25519 key, up to the key (RFC 8410 §4). */
const ED25519_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
export const openNodeVerifyingKey: OpenVerifyingKey = (algorithm, publicKey) => {
  try {
    return algorithm === "rsa-sha256" ? openRsa(publicKey) : openEd25519(publicKey);
  } catch {
    // Node refuses what is a key in form alone.
    return null;
  }
};

function openEd25519(publicKey: Uint8Array): VerifyingKey | null {
  if (publicKey.length !== ED25519_OCTETS) return null;
  const key = createPublicKey({
    key: Buffer.concat([ED25519_PREFIX, publicKey]),
    format: "der",
    type: "spki",
  });
  return {
    bits: 256,
    verify: (octets, signature) =>
      quietly(() => verify(null, hash("sha256", octets, "buffer"), key, signature)),
    [Symbol.dispose]() {},
  };
}

function openRsa(publicKey: Uint8Array): VerifyingKey | null {
  const read = readRsaPublicKey(publicKey);
  if (read === null) return null;
  const key = createPublicKey({
    key: Buffer.from(read.pkcs1),
    format: "der",
    type: "pkcs1",
  });
  return {
    bits: read.bits,
    verify: (octets, signature) => quietly(() => verify("sha256", octets, key, signature)),
    [Symbol.dispose]() {},
  };
}

/** A signature that is none makes some implementations throw. */
function quietly(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
