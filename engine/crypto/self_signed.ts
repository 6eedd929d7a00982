/** A self-signed ECDSA P-256 certificate, so that STARTTLS works before anyone configured a real one. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { X509Certificate } from "node:crypto";

const YEARS_MS = 10 * 365 * 24 * 3600 * 1000;
const DAY_MS = 24 * 3600 * 1000;

/** PEM texts. */
export interface SelfSigned {
  readonly cert: string;
  readonly key: string;
}

/** @param names DNS names, the first one the subject's; at least one. */
export async function makeSelfSigned(
  names: readonly string[],
  options: { readonly nowMs: number },
): Promise<SelfSigned> {
  x509.cryptoProvider.set(crypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: crypto.randomUUID().replaceAll("-", ""),
    name: [{ CN: [names[0]] }],
    notBefore: new Date(options.nowMs - DAY_MS),
    notAfter: new Date(options.nowMs + YEARS_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: "dns" as const, value: name })),
      ),
    ],
  });
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    cert: certificate.toString("pem"),
    key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY"),
  };
}

/** Whether a certificate's text can be read and has not run out. */
export function isUsable(cert: string, options: { readonly nowMs: number }): boolean {
  try {
    return Date.parse(new X509Certificate(cert).validTo) > options.nowMs;
  } catch {
    return false;
  }
}
