/**
 * Mail of a few hundred domains as their owners send it: signed (RSA-2048), allowed by SPF, under a DMARC policy
 * that rejects, of two texts, plain and HTML, with links. And the zones in which all that stands.
 */

import { Buffer } from "node:buffer";
import {
  dkimRecord,
  dkimRecordName,
  generateSigningKey,
  txtStrings,
} from "../engine/auth/dkim_key.ts";
import { signMessage } from "../engine/auth/dkim_sign.ts";
import { openSslSigners } from "../engine/crypto/ffi_openssl.ts";
import { openNodeSigner } from "../engine/crypto/node_signer.ts";
import type { Signer } from "../engine/crypto/signer.ts";
import { readHeaderSection } from "../engine/mail/header_section.ts";
import type { EnvelopeLine } from "./load_messages.ts";

export interface JudgedMail {
  /** Contents of zone files by origin. */
  readonly zones: Readonly<Record<string, string>>;
  /** Where its sessions come from. */
  readonly sourceAddresses: readonly string[];
  /** The next message of a sender, good in every respect unless told otherwise. */
  write(options?: { readonly isForged?: boolean }): Promise<Letter>;
  /** A message's text of one kind or the other, for classifiers to learn; unsigned. */
  example(kind: "ham" | "spam"): string;
  [Symbol.dispose](): void;
}

export interface Letter extends EnvelopeLine {
  readonly message: Uint8Array;
}

export interface JudgedMailOptions {
  /** Each with records of its own. */
  readonly senderDomains: number;
  /** Which they share: to make one takes a while. */
  readonly keys: number;
  readonly recipient: string;
  readonly sizeOctets: number;
  readonly nowMs: number;
}

const SELECTOR = "k1";
const SOURCES = Array.from({ length: 16 }, (_, at) => `127.0.1.${at + 1}`);
/** What `SmtpDialogue` says in EHLO. */
const HELO_NAME = "load.bench.test";
/** Sends nothing from anywhere: what claims to be from it is forged. */
const FORGED_DOMAIN = "forged.test";
const HAM_WORDS = wordsOf(1, 3000);
/** Its own words most often, and some of what everyone writes. */
const SPAM_WORDS = [...wordsOf(2, 1500), ...HAM_WORDS.slice(600, 1200)];

interface Sender {
  readonly domain: string;
  readonly signer: Signer;
}

export async function makeJudgedMail(options: JudgedMailOptions): Promise<JudgedMail> {
  const openSigner = openSslSigners(openNodeSigner) ?? openNodeSigner;
  const keys = await Promise.all(Array.from({ length: options.keys }, async () => {
    const { privateKey, publicKey } = await generateSigningKey("rsa-sha256");
    return {
      signer: openSigner("rsa-sha256", privateKey),
      record: dkimRecord({ algorithm: "rsa-sha256", publicKey }),
    };
  }));
  const senders = Array.from({ length: options.senderDomains }, (_, at) => ({
    domain: `sender${at}.test`,
    ...keys[at % keys.length],
  }));
  const random = randomOf(7);
  let serial = 0;
  return {
    sourceAddresses: SOURCES,
    zones: {
      test: testZone(senders),
      "127.in-addr.arpa": reverseZone(),
    },
    write: async ({ isForged = false } = {}) => {
      const sender: Sender = senders[serial % senders.length];
      const domain = isForged ? FORGED_DOMAIN : sender.domain;
      const unsigned = Buffer.from(
        textOf({ ...options, domain, serial: serial++, random, words: HAM_WORDS }),
      );
      const signature = isForged ? "" : await signMessage(unsigned, readHeaderSection(unsigned), {
        openKeys: () => [{ domain, selector: SELECTOR, signer: sender.signer }],
        nowMs: options.nowMs,
      });
      const message = Buffer.concat([Buffer.from(signature), unsigned]);
      return { from: `ann@${domain}`, to: options.recipient, octets: message.length, message };
    },
    example: (kind) =>
      textOf({
        ...options,
        domain: `${kind}.test`,
        serial: serial++,
        random,
        words: kind === "ham" ? HAM_WORDS : SPAM_WORDS,
      }),
    [Symbol.dispose]: () => {
      for (const { signer } of keys) signer[Symbol.dispose]();
    },
  };
}

const zoneHead = `$TTL 86400
@ SOA ns.bench.test. hostmaster.bench.test. 1 3600 600 86400 3600
@ NS ns.bench.test.
`;

function testZone(senders: readonly { domain: string; record: string }[]): string {
  const lines = [
    "ns.bench.test. A 127.0.0.1",
    `${HELO_NAME}. TXT "v=spf1 ip4:127.0.0.0/8 -all"`,
    ...SOURCES.map((address) => `${HELO_NAME}. A ${address}`),
    `${FORGED_DOMAIN}. TXT "v=spf1 -all"`,
    `_dmarc.${FORGED_DOMAIN}. TXT "v=DMARC1; p=reject"`,
    ...senders.flatMap(({ domain, record }) => [
      `${domain}. A 127.0.0.1`,
      `${domain}. MX 10 ${domain}.`,
      `www.${domain}. A 127.0.0.1`,
      `${domain}. TXT "v=spf1 ip4:127.0.0.0/8 -all"`,
      `_dmarc.${domain}. TXT "v=DMARC1; p=reject"`,
      `${dkimRecordName(domain, SELECTOR)}. TXT ${
        txtStrings(record).map((text) => `"${text}"`).join(" ")
      }`,
    ]),
  ];
  return `${zoneHead}${lines.join("\n")}\n`;
}

function reverseZone(): string {
  const lines = SOURCES.map((address) =>
    `${address.split(".").reverse().join(".")}.in-addr.arpa. PTR ${HELO_NAME}.`
  );
  return `${zoneHead}${lines.join("\n")}\n`;
}

interface TextOptions extends JudgedMailOptions {
  readonly domain: string;
  readonly serial: number;
  readonly words: readonly string[];
  readonly random: () => number;
}

function textOf(options: TextOptions): string {
  const { domain, recipient, serial, nowMs, sizeOctets } = options;
  const boundary = `=_${serial}_part`;
  const link = `https://www.${domain}/letters/${serial}`;
  const head = [
    `From: Ann Example <ann@${domain}>`,
    `To: <${recipient}>`,
    `Subject: ${prose(options, 40).trim()}`,
    `Date: ${new Date(nowMs).toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${serial}.${nowMs}@${domain}>`,
    "MIME-Version: 1.0",
    `Content-Type: multipart/alternative; boundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=utf-8",
    "",
    "",
  ].join("\r\n");
  const tail = `\r\n${link}\r\n--${boundary}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n` +
    `<html><body><h1>${prose(options, 40).trim()}</h1>\r\n`;
  const end =
    `<p><a href="${link}">Read on</a> or <a href="https://www.${domain}/">visit us</a>.</p>` +
    `\r\n</body></html>\r\n--${boundary}--\r\n`;
  const room = (sizeOctets - head.length - tail.length - end.length) / 2 - 20;
  return `${head}${prose(options, room)}${tail}<p>${prose(options, room)}</p>\r\n${end}`;
}

/** Lines of words, the first of the list far more often than the last. */
function prose({ words, random }: TextOptions, octets: number): string {
  let text = "";
  let line = 0;
  while (text.length < octets) {
    const word = words[Math.floor(words.length * random() ** 3)];
    text += word;
    line += word.length + 1;
    text += line > 66 && octets > 100 ? "\r\n" : " ";
    if (line > 66) line = 0;
  }
  return `${text.trimEnd()}${octets > 100 ? "\r\n" : ""}`;
}

function wordsOf(seed: number, count: number): readonly string[] {
  const random = randomOf(seed);
  const syllables =
    "ba be bi bo da de di do fa fe ga go ka ke la le ma mi na no pa ra ri sa so ta ti va";
  const parts = syllables.split(" ");
  const words = new Set<string>();
  while (words.size < count) {
    let word = "";
    const length = 1 + Math.floor(random() * 4);
    for (let at = 0; at < length; at++) word += parts[Math.floor(random() * parts.length)];
    words.add(word);
  }
  return [...words];
}

/** The same numbers each time (a linear congruence, good enough for words). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
