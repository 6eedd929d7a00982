/** When a certificate is to be issued or renewed, and when to try again after a failure. Asks nobody. */
import { X509Certificate } from "node:crypto";
import type { StoredCertificate } from "../store/certificates.ts";

/** Below five failures an hour for a name, beyond which issuers turn a client away for a while. */
const RETRY_MS = 30 * 60 * 1000;

/**
 * Unix ms from which a certificate is to be issued: at once while there is none, in the last third of its
 * life when there is, and not before the next try where the last one failed. `null`: never, for it came
 * from files.
 */
export function issueAtMs(certificate: StoredCertificate): number | null {
  const { source, chain, notAfterMs, retryAtMs } = certificate;
  if (source !== "acme") return null;
  const wantedAtMs = chain === null || notAfterMs === null ? 0 : renewalAtMs(chain, notAfterMs);
  return Math.max(wantedAtMs, retryAtMs ?? 0);
}

/** Spread over ±10 %, so that names that failed together do not come back together. */
export function retryAtMs(options: { readonly nowMs: number; readonly random: () => number }) {
  return options.nowMs + Math.round(RETRY_MS * (0.9 + 0.2 * options.random()));
}

function renewalAtMs(chain: string, notAfterMs: number): number {
  try {
    const beganAtMs = Date.parse(new X509Certificate(chain).validFrom);
    return notAfterMs - (notAfterMs - beganAtMs) / 3;
  } catch {
    return 0;
  }
}
