/** What the keeper of certificates asks of an issuer, and an issuer of whoever proves the name. */

/** PEM texts. */
export interface IssuedCertificate {
  /** Leaf first. */
  readonly chain: string;
  /** PKCS #8. */
  readonly privateKey: string;
}

export interface Issuer {
  /**
   * Has a certificate made for a host name or `*.domain`, under a new key.
   * @throws {Error} with a reason for people
   */
  issue(name: string): Promise<IssuedCertificate>;
}

/** Where an issuer looks whether a name is ours (RFC 8555 §8). */
export type Proof =
  | { readonly kind: "http-01"; readonly token: string; readonly keyAuthorization: string }
  | {
    readonly kind: "dns-01";
    /** Of the TXT record: `_acme-challenge.example.org`. */
    readonly name: string;
    readonly value: string;
  };

export interface Prover {
  /** Whether such a proof can be given at all. */
  gives(kind: Proof["kind"]): boolean;
  /** Resolves once the issuer can see it. @throws {Error} with a reason for people */
  publish(proof: Proof): Promise<void>;
  withdraw(proof: Proof): Promise<void>;
}
