/**
 * The Sender Rewriting Scheme, as postsrsd and libsrs2 have it: a domain that forwards mail puts itself in
 * the reverse-path, so that SPF holds, with the first sender inside under a signature, so that bounces
 * find back and nobody else can make us relay. Decides from the text alone.
 *
 * `SRS0=HHHH=TT=domain=local` holds a sender; a forwarder that meets one wraps it as
 * `SRS1=HHHH=forwarder==HHHH=TT=domain=local` and names the first forwarder, not the sender.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { formatMailbox, MAX_PATH_OCTETS, parseMailbox } from "../mail/path.ts";

export interface SrsOptions {
  readonly secret: Uint8Array;
  /** Unix ms. */
  readonly nowMs: number;
}

const DAY_MS = 24 * 3600 * 1000;
/** Bounces that come later go nowhere. */
const MAX_AGE_DAYS = 21;
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** Two digits of base 32. */
const DAY_CYCLE = 1024;
const HASH_CHARACTERS = 4;

/**
 * The reverse-path under which `domain` forwards mail from this sender; `null` when it would be too long for
 * a path (RFC 5321 §4.5.3.1.3). The null reverse-path stays what it is.
 */
export function forwardingPath(
  reversePath: string,
  options: SrsOptions & { readonly domain: string },
): string | null {
  if (reversePath === "") return "";
  const mailbox = parseMailbox(reversePath);
  if (typeof mailbox === "string") return null;
  const { localPart, domain: host } = mailbox;
  const wrapped = /^SRS([01])([=+-])(.*)$/is.exec(localPart);
  const inner = wrapped === null ? null : wrapped[1] === "0"
    // The separator goes along, as all implementations have it.
    ? { forwarder: host, rest: `${wrapped[2]}${wrapped[3]}` }
    : unwrapSrs1(wrapped[3]);
  const text = inner === null
    ? srs0({ host, localPart }, options)
    : `SRS1=${sign(options.secret, inner.forwarder, inner.rest)}=${inner.forwarder}=${inner.rest}`;
  const path = formatMailbox(text, options.domain);
  return Buffer.byteLength(path) + 2 <= MAX_PATH_OCTETS ? path : null;
}

/**
 * Whom a bounce to this local part of ours is for; `null` when we did not make it, or too long ago.
 * Case may have been lost on the way. Who sends it is not asked, as by postsrsd: not everything that
 * reports or answers does so from the null reverse-path, and nobody is reached but the sender inside.
 */
export function takeBack(localPart: string, { secret, nowMs }: SrsOptions): string | null {
  const match = /^SRS([01])[=+-]([^=]+)=(.*)$/is.exec(localPart);
  if (match === null) return null;
  const [, kind, hash, rest] = match;
  if (kind === "1") {
    const inner = /^([^=]+)=([=+-].+)$/s.exec(rest);
    if (inner === null || !isSigned(hash, secret, inner[1], inner[2])) return null;
    return formatMailbox(`SRS0${inner[2]}`, inner[1]);
  }
  const inner = /^([A-Z2-7]{2})=([^=]+)=(.+)$/is.exec(rest);
  if (inner === null) return null;
  const [, stamp, host, sender] = inner;
  if (!isSigned(hash, secret, stamp, host, sender) || !isRecent(stamp, nowMs)) return null;
  return formatMailbox(sender, host);
}

function srs0(
  { host, localPart }: { readonly host: string; readonly localPart: string },
  { secret, nowMs }: SrsOptions,
): string {
  const day = dayOf(nowMs);
  const stamp = BASE32[day >> 5] + BASE32[day & 31];
  return `SRS0=${sign(secret, stamp, host, localPart)}=${stamp}=${host}=${localPart}`;
}

/** An SRS1 address passes on what it holds: the first forwarder and what he signed. */
function unwrapSrs1(text: string): { readonly forwarder: string; readonly rest: string } | null {
  const match = /^[^=]+=([^=]+)=([=+-].+)$/s.exec(text);
  return match === null ? null : { forwarder: match[1], rest: match[2] };
}

function sign(secret: Uint8Array, ...parts: readonly string[]): string {
  const digest = createHmac("sha1", secret).update(parts.join("").toLowerCase()).digest("base64");
  // What base64 has and mailboxes should not: both sides of a comparison go through here.
  return digest.slice(0, HASH_CHARACTERS).replaceAll("+", "-").replaceAll("/", "_");
}

function isSigned(hash: string, secret: Uint8Array, ...parts: readonly string[]): boolean {
  const expected = Buffer.from(sign(secret, ...parts).toLowerCase());
  const said = Buffer.from(hash.toLowerCase().replaceAll("+", "-").replaceAll("/", "_"));
  return said.length === expected.length && timingSafeEqual(said, expected);
}

function isRecent(stamp: string, nowMs: number): boolean {
  const [high, low] = [...stamp.toUpperCase()].map((digit) => BASE32.indexOf(digit));
  const age = (dayOf(nowMs) - (high * 32 + low) + DAY_CYCLE) % DAY_CYCLE;
  return age <= MAX_AGE_DAYS;
}

function dayOf(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS) % DAY_CYCLE;
}
