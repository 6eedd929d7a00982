/**
 * Whether a certificate and a key can serve a name: they belong together, the name is covered and the
 * certificate is in force. Does not ask whether anybody trusts the issuer.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

export interface CertificatePair {
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM, in any form OpenSSL writes without a passphrase. */
  readonly key: string;
  /** A host name in A-labels, or `*.example.org`. */
  readonly name: string;
  readonly nowMs: number;
}

export type PairJudgement =
  | {
    readonly kind: "good";
    /** PEM of the certificates alone, leaf first. */
    readonly chain: string;
    /** PEM of PKCS #8. */
    readonly privateKey: string;
    readonly notAfterMs: number;
  }
  | { readonly kind: "fault"; readonly fault: string };

const MAX_CERTIFICATES = 10;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export function judgePair(pair: CertificatePair): PairJudgement {
  const { name, nowMs } = pair;
  const texts = pair.chain.match(CERTIFICATE) ?? [];
  if (texts.length === 0) return fault("the certificate file holds no PEM certificate");
  if (texts.length > MAX_CERTIFICATES) {
    return fault(`the certificate file holds over ${MAX_CERTIFICATES} certificates`);
  }
  const certificates = texts.map(readCertificate);
  const unreadable = certificates.indexOf(null);
  if (unreadable >= 0) return fault(`certificate ${unreadable + 1} of the file cannot be read`);
  const leaf = certificates[0] as X509Certificate;

  const key = readKey(pair.key);
  if (typeof key === "string") return fault(key);
  if (!leaf.checkPrivateKey(key)) {
    return fault(
      certificates.some((certificate) => certificate?.checkPrivateKey(key))
        ? "the certificate of this key must stand first in the file, before its issuers'"
        : "the key does not belong to the certificate",
    );
  }

  const names = certificateNames(leaf);
  if (!names.some((covered) => covers(covered, name))) {
    return fault(`the certificate is not for ${name}, but for ${names.join(", ") || "no host"}`);
  }
  const notAfterMs = Date.parse(leaf.validTo);
  if (notAfterMs <= nowMs) return fault(`the certificate expired on ${day(notAfterMs)}`);
  const notBeforeMs = Date.parse(leaf.validFrom);
  if (notBeforeMs > nowMs) return fault(`the certificate is valid from ${day(notBeforeMs)} only`);
  return {
    kind: "good",
    chain: `${texts.join("\n")}\n`,
    privateKey: key.export({ type: "pkcs8", format: "pem" }) as string,
    notAfterMs,
  };
}

/** Whether a name in a certificate stands for a host, or for the same wildcard. */
export function covers(covered: string, name: string): boolean {
  if (covered === name) return true;
  // RFC 9525 §6.3: the asterisk is one whole label, the leftmost one.
  if (!covered.startsWith("*.") || name.startsWith("*.")) return false;
  const dot = name.indexOf(".");
  return dot > 0 && name.slice(dot) === covered.slice(1);
}

/** The hosts a certificate is for. RFC 9525 §6.3: the subject's common name counts for nothing. */
export function certificateNames(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? "").split(", ")
    .filter((name) => name.startsWith("DNS:"))
    .map((name) => name.slice("DNS:".length).toLowerCase());
}

function readCertificate(text: string): X509Certificate | null {
  try {
    return new X509Certificate(text);
  } catch {
    return null;
  }
}

/** The key, or what is wrong with it; what OpenSSL says of a key is not for people. */
function readKey(text: string): KeyObject | string {
  if (/ENCRYPTED/.test(text)) {
    return "the key is locked with a passphrase; unlock it with: openssl pkey -in <file> -out <new file>";
  }
  try {
    const key = createPrivateKey(text);
    const type = key.asymmetricKeyType;
    return type === "rsa" || type === "ec" ? key : `the key is neither RSA nor ECDSA but ${type}`;
  } catch {
    return "the key file holds no PEM private key";
  }
}

function fault(text: string): PairJudgement {
  return { kind: "fault", fault: text };
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
