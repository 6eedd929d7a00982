/** Public keys that verify: the interface verifying code uses, over libcrypto or Node's own. */
import type { SignatureAlgorithm } from "./signer.ts";

export interface VerifyingKey extends Disposable {
  /** Of an RSA modulus; 256 for Ed25519. */
  readonly bits: number;
  /** Whether `signature` is one that `Signer.sign` could make of `octets` with this key. */
  verify(octets: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * Opens a public key as DKIM publishes it: SubjectPublicKeyInfo or RSAPublicKey in DER for RSA (RFC 6376 §3.6.1),
 * 32 octets for Ed25519 (RFC 8463 §4). `null` when they are no key of that algorithm; never throws for them.
 */
export type OpenVerifyingKey = (
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
) => VerifyingKey | null;

/** What became of one signature; a key is weak below 1024 bits (RFC 8301 §3.2). */
export type Verification = "valid" | "invalid" | "no_key" | "weak_key";

export interface Verifier {
  verify(signed: {
    readonly algorithm: SignatureAlgorithm;
    /** In base64 without white space. */
    readonly publicKey: string;
    readonly octets: Uint8Array;
    readonly signature: Uint8Array;
  }): Verification;
}
