/** Which certificate a client gets, by the name it asks for in its handshake (RFC 6066 §3). */
import { normalizeDomain } from "../mail/domain.ts";

/** PEM texts. */
export interface Certificate {
  /** Leaf first. */
  readonly cert: string;
  readonly key: string;
}

export interface NamedCertificate extends Certificate {
  /** Host names in A-labels, or `*.example.org`. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
}

/** Plain data that may cross threads. */
export interface CertificateSet {
  /** For clients that ask for no name, or for one nobody here bears. */
  readonly fallback: Certificate;
  readonly named: readonly NamedCertificate[];
}

/**
 * The certificate for a name: an exact one before a wildcard's, never one that is over, and of several
 * the one that lasts longest. `null`: the fallback.
 */
export function pickCertificate(
  { named }: CertificateSet,
  serverName: string,
  nowMs: number,
): NamedCertificate | null {
  const name = normalizeDomain(serverName);
  if (name === null) return null;
  // RFC 9525 §6.3: a wildcard stands for one whole label.
  const wildcard = `*${name.slice(name.indexOf("."))}`;
  for (const wanted of [name, wildcard]) {
    const valid = named
      .filter(({ names, notAfterMs }) => names.includes(wanted) && notAfterMs > nowMs)
      .sort((a, b) => b.notAfterMs - a.notAfterMs);
    if (valid.length > 0) return valid[0];
  }
  return null;
}
