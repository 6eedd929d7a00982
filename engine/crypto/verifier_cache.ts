/**
 * A verifier that keeps keys open, since opening one costs as much as a signature does. Bounded: beyond it, the
 * one asked for least lately is closed.
 */
import { Buffer } from "node:buffer";
import type { OpenVerifyingKey, Verification, Verifier, VerifyingKey } from "./verifier.ts";

/** RFC 8301 §3.2 */
const MIN_BITS = 1_024;
const ED25519_BITS = 256;
/** In base64; RSA keys of 4096 bits take 736. */
const MAX_KEY_CHARACTERS = 2_048;

export class CachedVerifier implements Verifier {
  readonly #open: OpenVerifyingKey;
  readonly #maxKeys: number;
  /** Whichever was asked for last stands last. */
  readonly #keys = new Map<string, VerifyingKey>();

  constructor(open: OpenVerifyingKey, { maxKeys }: { readonly maxKeys: number }) {
    this.#open = open;
    this.#maxKeys = maxKeys;
  }

  verify(signed: Parameters<Verifier["verify"]>[0]): Verification {
    const key = this.#key(signed.algorithm, signed.publicKey);
    if (key === null) return "no_key";
    if (key.bits < (signed.algorithm === "rsa-sha256" ? MIN_BITS : ED25519_BITS)) return "weak_key";
    return key.verify(signed.octets, signed.signature) ? "valid" : "invalid";
  }

  #key(algorithm: Parameters<OpenVerifyingKey>[0], publicKey: string): VerifyingKey | null {
    if (publicKey.length > MAX_KEY_CHARACTERS) return null;
    const name = `${algorithm} ${publicKey}`;
    const kept = this.#keys.get(name);
    if (kept !== undefined) {
      this.#keys.delete(name);
      this.#keys.set(name, kept);
      return kept;
    }
    const key = this.#open(algorithm, Buffer.from(publicKey, "base64"));
    if (key === null) return null;
    this.#keys.set(name, key);
    if (this.#keys.size > this.#maxKeys) this.#closeOldest();
    return key;
  }

  #closeOldest(): void {
    const [[name, key]] = this.#keys;
    this.#keys.delete(name);
    key[Symbol.dispose]();
  }
}
