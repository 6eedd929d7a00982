/**
 * What judging where a message comes from costs, all in: SPF of HELO and reverse-path, one RSA-2048 signature,
 * DMARC, no ARC, with every answer of the DNS remembered. mailauth's `authenticate` beside it in the same run:
 * `deno run --no-prompt --allow-env --allow-read --allow-ffi --allow-sys bench/micro/auth.ts`. One thread; a message of 5 KiB.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { authenticate as mailauthAuthenticate } from "mailauth";
import { authenticate } from "../../engine/auth/authenticate.ts";
import { dkimRecord, dkimRecordName, generateSigningKey } from "../../engine/auth/dkim_key.ts";
import { signMessage } from "../../engine/auth/dkim_sign.ts";
import { mailauthResolver } from "../../engine/auth/mailauth_resolver.ts";
import { checkSpf, type SpfOptions } from "../../engine/auth/spf.ts";
import { openSslVerifyingKeys } from "../../engine/crypto/ffi_openssl.ts";
import { openNodeSigner } from "../../engine/crypto/node_signer.ts";
import { openNodeVerifyingKey } from "../../engine/crypto/node_verifier.ts";
import type { Verifier } from "../../engine/crypto/verifier.ts";
import { CachedVerifier } from "../../engine/crypto/verifier_cache.ts";

import { ZoneResolver } from "../../engine/dns/zone_resolver.ts";
import { readHeaderSection } from "../../engine/mail/header_section.ts";

const SECONDS = 2;
const TURNS = 3;
const CLIENT = "192.0.2.1";

const unsigned = Buffer.from(
  "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.net>\r\nSubject: The monthly report\r\n" +
    "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n" +
    "Content-Type: text/plain; charset=utf-8\r\n\r\n" +
    "A line of text as people write it, neither short nor long, and no tabs.\r\n".repeat(68),
);

const key = await generateSigningKey("rsa-sha256");
const signing = {
  openKeys: () => [{
    domain: "example.org",
    selector: "s",
    signer: openNodeSigner("rsa-sha256", key.privateKey),
  }],
  nowMs: Date.now(),
};
const signature = await signMessage(unsigned, readHeaderSection(unsigned), signing);
const message = new Uint8Array(Buffer.concat([Buffer.from(signature), unsigned]));
const zone = new ZoneResolver({
  "example.org": {
    txt: ["v=spf1 include:_spf.example.org mx ip4:198.51.100.0/24 ~all"],
    mx: [{ preference: 10, exchange: "mx.example.org" }],
  },
  "_spf.example.org": {
    txt: ["v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 ip4:192.0.2.0/24 ~all"],
  },
  "mx.example.org": { a: [CLIENT], txt: ["v=spf1 a -all"] },
  "_dmarc.example.org": { txt: ["v=DMARC1; p=reject; rua=mailto:dmarc@example.org"] },
  [dkimRecordName("example.org", "s")]: {
    txt: [dkimRecord({ algorithm: "rsa-sha256", publicKey: key.publicKey })],
  },
});

const spfOptions: SpfOptions = {
  clientAddress: CLIENT,
  heloName: "mx.example.org",
  reversePath: "ann@example.org",
  hostname: "mx.example.net",
  resolver: zone,
  nowMs: Date.now(),
  timeoutMs: 20_000,
};

function ours(verifier: Verifier): () => Promise<void> {
  return async () => {
    const spf = await checkSpf(spfOptions);
    const { dmarc, dkim } = await authenticate(message, readHeaderSection(message), {
      ...{ spf, verifier, resolver: zone },
      nowMs: Date.now(),
      timeoutMs: 20_000,
    });
    if (dmarc.verdict !== "pass" || dkim[0].verdict !== "pass" || spf.helo.verdict !== "pass") {
      throw new Error("the message does not pass");
    }
  };
}

const resolver = mailauthResolver(zone);
async function byMailauth(): Promise<void> {
  const { dmarc, dkim } = await mailauthAuthenticate(Buffer.from(message), {
    ip: CLIENT,
    helo: "mx.example.org",
    sender: "ann@example.org",
    mta: "mx.example.net",
    resolver,
    disableBimi: true,
    disableArc: true,
  });
  const passes = dkim.results[0]?.status.result === "pass" && dmarc !== false &&
    dmarc.status.result === "pass";
  if (!passes) throw new Error("the message does not pass by mailauth");
}

/** CPU milliseconds a message, of the whole process. */
async function cost(run: () => Promise<void>, ms: number): Promise<number> {
  let count = 0;
  const before = process.cpuUsage();
  const startedMs = performance.now();
  while (performance.now() - startedMs < ms) {
    for (let n = 0; n < 20; n++, count++) await run();
  }
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000 / count;
}

const libcrypto = openSslVerifyingKeys(openNodeVerifyingKey);
const rows = new Map<string, { readonly run: () => Promise<void>; readonly taken: number[] }>();
const row = (name: string, run: () => Promise<void>) => rows.set(name, { run, taken: [] });
row("mailauth", byMailauth);
if (libcrypto !== null) row("Sluice", ours(new CachedVerifier(libcrypto, { maxKeys: 100 })));
row("Sluice without libcrypto", ours(new CachedVerifier(openNodeVerifyingKey, { maxKeys: 100 })));
row("Sluice, SPF alone", async () => void await checkSpf(spfOptions));

for (const { run } of rows.values()) await cost(run, 500);
// In turns, so that a noisy neighbour meets all of them.
for (let turn = 0; turn < TURNS; turn++) {
  for (const { run, taken } of rows.values()) taken.push(await cost(run, SECONDS * 1000));
}
console.log(`Authentication, ${message.length} octets, medians of ${TURNS} turns\n`);
for (const [name, { taken }] of rows) {
  const median = taken.sort((a, b) => a - b)[taken.length >> 1];
  console.log(`${name.padEnd(30)}${median.toFixed(3).padStart(8)} ms CPU a message`);
}
