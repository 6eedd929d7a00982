import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { makeSelfSigned } from "../crypto/self_signed.ts";
import type { StoredCertificate } from "../store/certificates.ts";
import { issueAtMs, retryAtMs } from "./due.ts";

const waiting: StoredCertificate = {
  name: "mail.example.org",
  source: "acme",
  chain: null,
  sealedPrivateKey: null,
  notAfterMs: null,
  fault: null,
  retryAtMs: null,
};

async function issued(): Promise<StoredCertificate & { readonly notAfterMs: number }> {
  const { cert } = await makeSelfSigned(["mail.example.org"], { nowMs: 1_800_000_000_000 });
  return { ...waiting, chain: cert, notAfterMs: Date.parse(new X509Certificate(cert).validTo) };
}

Deno.test("issueAtMs: at once while there is none, never for what came from files", () => {
  assert.equal(issueAtMs(waiting), 0);
  assert.equal(issueAtMs({ ...waiting, source: "file" }), null);
});

Deno.test("issueAtMs: in the last third of a certificate's life", async () => {
  const certificate = await issued();
  const beganAtMs = Date.parse(new X509Certificate(certificate.chain!).validFrom);
  const lifeMs = certificate.notAfterMs - beganAtMs;
  assert.equal(issueAtMs(certificate), beganAtMs + lifeMs * 2 / 3);
});

Deno.test("issueAtMs: not before the next try, and at once for what cannot be read", async () => {
  const certificate = await issued();
  assert.equal(issueAtMs({ ...waiting, retryAtMs: 77 }), 77);
  const lateMs = certificate.notAfterMs + 1;
  assert.equal(issueAtMs({ ...certificate, retryAtMs: lateMs }), lateMs);
  assert.equal(issueAtMs({ ...certificate, chain: "-----BEGIN CERTIFICATE-----" }), 0);
});

Deno.test("retryAtMs: half an hour, spread over 10 % on either side", () => {
  const minutes = (random: number) => retryAtMs({ nowMs: 0, random: () => random }) / 60_000;
  assert.deepEqual([0, 0.5, 1].map(minutes), [27, 30, 33]);
});
