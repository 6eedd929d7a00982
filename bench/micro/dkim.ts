/**
 * What a DKIM signature costs, all in, beside `openssl speed` in the same run:
 * `deno task bench:dkim`. One thread; a message of 5 KiB; canonical forms, hashes and signature included.
 */

import { Buffer } from "node:buffer";
import { type SigningKey, signMessage } from "../../engine/auth/dkim_sign.ts";
import { generateSigningKey } from "../../engine/auth/dkim_key.ts";
import { openSslSigners } from "../../engine/crypto/ffi_openssl.ts";
import { openNodeSigner } from "../../engine/crypto/node_signer.ts";
import type { OpenSigner, SignatureAlgorithm } from "../../engine/crypto/signer.ts";
import { readHeaderSection } from "../../engine/mail/header_section.ts";

const SECONDS = 3;
const TURNS = 3;

const message = new Uint8Array(Buffer.from(
  "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: The monthly report\r\n" +
    "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n" +
    "Content-Type: text/plain; charset=utf-8\r\n\r\n" +
    "A line of text as people write it, neither short nor long, and no tabs.\r\n".repeat(68),
));

/** Signatures a second by OpenSSL itself, on one core. */
async function openSslSpeed(): Promise<number | null> {
  const { success, stdout } = await new Deno.Command("openssl", {
    args: ["speed", "-seconds", String(SECONDS), "rsa2048"],
    stderr: "null",
  }).output().catch(() => ({ success: false, stdout: new Uint8Array() }));
  if (!success) return null;
  const line = /^rsa 2048 bits\s+\S+\s+\S+\s+([\d.]+)/m.exec(new TextDecoder().decode(stdout));
  return line === null ? null : Number(line[1]);
}

async function ourSpeed(keys: readonly SigningKey[]): Promise<number> {
  const openKeys = () => keys;
  const run = async (ms: number) => {
    let count = 0;
    const startedMs = performance.now();
    while (performance.now() - startedMs < ms) {
      for (let n = 0; n < 20; n++, count++) {
        await signMessage(message, readHeaderSection(message), { openKeys, nowMs: Date.now() });
      }
    }
    return count / (performance.now() - startedMs) * 1000;
  };
  await run(300);
  return await run(SECONDS * 1000);
}

async function keyOf(open: OpenSigner, algorithm: SignatureAlgorithm): Promise<SigningKey> {
  const { privateKey } = await generateSigningKey(algorithm);
  return { domain: "example.org", selector: "s", signer: open(algorithm, privateKey) };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

const libcrypto = openSslSigners(openNodeSigner);
const rows = new Map<string, { run: () => Promise<number | null>; taken: number[] }>();
const row = (name: string, run: () => Promise<number | null>) => rows.set(name, { run, taken: [] });
row("openssl speed, RSA-2048, signature alone", openSslSpeed);
const ed25519 = await keyOf(openNodeSigner, "ed25519-sha256");
const fallback = await keyOf(openNodeSigner, "rsa-sha256");
if (libcrypto !== null) {
  const rsa = await keyOf(libcrypto, "rsa-sha256");
  row("Sluice, RSA-2048 by libcrypto", () => ourSpeed([rsa]));
  row("Sluice, RSA-2048 and Ed25519", () => ourSpeed([rsa, ed25519]));
}
row("Sluice, RSA-2048 without libcrypto", () => ourSpeed([fallback]));
row("Sluice, Ed25519", () => ourSpeed([ed25519]));

// In turns, so that a noisy neighbour meets all of them.
for (let turn = 0; turn < TURNS; turn++) {
  for (const { run, taken } of rows.values()) {
    const speed = await run();
    if (speed !== null) taken.push(speed);
  }
}
console.log(`DKIM, ${message.length} octets, one thread, medians of ${TURNS} turns\n`);
const reference = rows.values().next().value!.taken;
for (const [name, { taken }] of rows) {
  if (taken.length === 0) continue;
  const speed = median(taken);
  const cost = reference.length === 0 ? "" : `${(median(reference) / speed).toFixed(2)}× the cost`;
  console.log(`${name.padEnd(42)}${speed.toFixed(0).padStart(7)}/s  ${cost}`);
}
