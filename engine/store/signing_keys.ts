/** The keys our domains sign with, and their rotation: made and waiting, active, retired. */

export type SigningAlgorithm = "rsa-sha256" | "ed25519-sha256";
/** `waiting`: made, its record yet to be published and seen. `retired`: signs no more, still verifies. */
export type SigningKeyState = "waiting" | "active" | "retired";

export interface SigningKey {
  /** As `normalizeDomain` gives it. */
  readonly domain: string;
  /** One DNS label or several, in lower case. */
  readonly selector: string;
  readonly algorithm: SigningAlgorithm;
  readonly state: SigningKeyState;
  /** What stands behind `p=` in DNS (RFC 6376 §3.6.1, RFC 8463 §4). */
  readonly publicKey: string;
  /** PKCS #8 DER, sealed for `signingKeyContext`. */
  readonly sealedPrivateKey: Uint8Array;
  readonly createdAtMs: number;
  readonly stateSinceMs: number;
}

export interface SigningKeySource {
  /** Those a domain signs with now; remembered, a change is seen within seconds. @throws {StoreUnavailableError} */
  activeKeys(domain: string): Promise<readonly SigningKey[]>;
}

export interface SigningKeyAdmin extends SigningKeySource {
  /** Of one domain, or of all, by domain and selector. */
  keys(domain: string | null): Promise<readonly SigningKey[]>;
  /** `exists`: its selector is taken, or a key of its algorithm waits, or signs, as this one would. */
  addKey(
    key: Omit<SigningKey, "createdAtMs" | "stateSinceMs">,
  ): Promise<"added" | "exists" | "no_such_domain">;
  /** In one transaction, whatever is active retires and the waiting keys become active. Answers these. */
  switchKeys(domain: string): Promise<readonly SigningKey[]>;
  /** False when there is no such key. */
  removeKey(domain: string, selector: string): Promise<boolean>;
}

/** What a private key is sealed for, so that one domain's cannot be passed off as another's. */
export function signingKeyContext(key: { domain: string; selector: string }): string {
  return `dkim ${key.domain} ${key.selector}`;
}
