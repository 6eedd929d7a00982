/** A private key that signs: the interface signing code uses, over libcrypto or Node's own. */

export type SignatureAlgorithm = "rsa-sha256" | "ed25519-sha256";

export interface Signer extends Disposable {
  readonly algorithm: SignatureAlgorithm;
  /**
   * The raw signature over the SHA-256 digest of `octets`: PKCS #1 v1.5 for RSA (RFC 6376 §3.3.1), PureEdDSA
   * over the digest itself for Ed25519 (RFC 8463 §3). Synchronous.
   */
  sign(octets: Uint8Array): Uint8Array;
}

/**
 * Opens a private key in PKCS #8 DER. The octets may be forgotten afterwards.
 * @throws {Error} when they are no key of that algorithm.
 */
export type OpenSigner = (algorithm: SignatureAlgorithm, privateKey: Uint8Array) => Signer;
