/**
 * Secrets at rest: AES-256-GCM under a key of the server's own. Each is sealed for a context, the name of
 * what it belongs to, and opens for no other, so that moving a row moves no secret.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";

export const SECRET_KEY_OCTETS = 32;
const VERSION = 1;
const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;

export class SecretBox {
  readonly #secretKey: Uint8Array;
  readonly #sealingKey: Buffer;

  /** @param secretKey 32 random octets. */
  constructor(secretKey: Uint8Array) {
    if (secretKey.length !== SECRET_KEY_OCTETS) throw new Error("The secret key has 32 octets");
    this.#secretKey = secretKey;
    this.#sealingKey = this.derive("seal");
  }

  /** A key for one purpose of its own (RFC 5869), 32 octets. */
  derive(purpose: string): Buffer {
    return Buffer.from(hkdfSync("sha256", this.#secretKey, "", `sluice ${purpose}`, 32));
  }

  /** Version, nonce, ciphertext, tag. */
  seal(secret: Uint8Array, context: string): Uint8Array {
    const nonce = randomBytes(NONCE_OCTETS);
    const cipher = createCipheriv("aes-256-gcm", this.#sealingKey, nonce);
    cipher.setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
    return new Uint8Array(
      Buffer.concat([Buffer.from([VERSION]), nonce, sealed, cipher.getAuthTag()]),
    );
  }

  /** The secret; `null` when it was sealed under another key or for another context. */
  open(sealed: Uint8Array, context: string): Uint8Array | null {
    if (sealed.length < 1 + NONCE_OCTETS + TAG_OCTETS || sealed[0] !== VERSION) return null;
    const end = sealed.length - TAG_OCTETS;
    const nonce = sealed.subarray(1, 1 + NONCE_OCTETS);
    const decipher = createDecipheriv("aes-256-gcm", this.#sealingKey, nonce);
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(sealed.subarray(end));
    try {
      const secret = decipher.update(sealed.subarray(1 + NONCE_OCTETS, end));
      return new Uint8Array(Buffer.concat([secret, decipher.final()]));
    } catch {
      return null;
    }
  }
}
