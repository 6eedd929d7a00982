/** Certificates by the name a client asks for, the account they are issued to, and open challenges. */

export interface StoredCertificate {
  /** A host name in A-labels, or `*.example.org`. */
  readonly name: string;
  readonly source: "file" | "acme";
  /** PEM, leaf first; `null` while it is yet to be issued. */
  readonly chain: string | null;
  /** PEM of PKCS #8, sealed for `certificateContext`. */
  readonly sealedPrivateKey: Uint8Array | null;
  readonly notAfterMs: number | null;
  /** Why issuing it failed last, and when it is tried again. */
  readonly fault: string | null;
  readonly retryAtMs: number | null;
}

export interface AcmeAccount {
  readonly directoryUrl: string;
  readonly accountUrl: string;
  /** PEM, sealed for `acmeAccountContext`. */
  readonly sealedPrivateKey: Uint8Array;
}

export interface CertificateStore {
  certificates(): Promise<readonly StoredCertificate[]>;
  /** Adds or replaces by name. */
  put(certificate: StoredCertificate): Promise<void>;
  /** False when there is none of that name. */
  remove(name: string): Promise<boolean>;
  /** Changes whenever a certificate may have. */
  version(): Promise<string>;
  account(directoryUrl: string): Promise<AcmeAccount | null>;
  putAccount(account: AcmeAccount): Promise<void>;
  /** What http-01 is answered with (RFC 8555 §8.3); older ones go after a day. */
  putChallenge(token: string, keyAuthorization: string): Promise<void>;
  challenge(token: string): Promise<string | null>;
  removeChallenge(token: string): Promise<void>;
  /** Runs `work` while no other node does; `null` when another one is at it. */
  exclusively<T>(work: () => Promise<T>): Promise<T | null>;
}

export function certificateContext(name: string): string {
  return `certificate ${name}`;
}

export function acmeAccountContext(directoryUrl: string): string {
  return `acme ${directoryUrl}`;
}
