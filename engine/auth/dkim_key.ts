/**
 * DKIM keys and the records that publish them (RFC 6376 §3.6.1, RFC 8463 §4): made, written and read.
 * Asks no DNS.
 */
import { Buffer } from "node:buffer";
import { generateKeyPair, hash, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { SignatureAlgorithm } from "../crypto/signer.ts";

export interface NewSigningKey {
  /** PKCS #8 DER. */
  readonly privateKey: Uint8Array;
  /** What stands behind `p=`. */
  readonly publicKey: string;
}

export type DkimRecord =
  | {
    readonly kind: "key";
    readonly algorithm: SignatureAlgorithm;
    /** Base64 without white space. */
    readonly publicKey: string;
    /** `t=y`: verifiers should not trust the signatures yet. */
    readonly isTesting: boolean;
    /** `t=s`: signatures name no subdomain in `i=`. */
    readonly isStrict: boolean;
  }
  | { readonly kind: "revoked" }
  | { readonly kind: "fault"; readonly reason: string };

/** RFC 8301 §3.2 */
const RSA_BITS = 2048;
const ED25519_OCTETS = 32;
/** A character-string of DNS (RFC 1035 §3.3). */
const MAX_STRING_OCTETS = 255;

export async function generateSigningKey(algorithm: SignatureAlgorithm): Promise<NewSigningKey> {
  const { privateKey, publicKey } = algorithm === "rsa-sha256"
    ? await promisify(generateKeyPair)("rsa", { modulusLength: RSA_BITS })
    : await promisify(generateKeyPair)("ed25519");
  return {
    privateKey: new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" })),
    publicKey: publicText(algorithm, publicKey),
  };
}

/** RSA keys are published as SubjectPublicKeyInfo, Ed25519 keys bare (RFC 8463 §4). */
function publicText(algorithm: SignatureAlgorithm, publicKey: KeyObject): string {
  const spki = publicKey.export({ format: "der", type: "spki" });
  const octets = algorithm === "rsa-sha256" ? spki : spki.subarray(-ED25519_OCTETS);
  return Buffer.from(octets).toString("base64");
}

/** The record's value, in one piece. */
export function dkimRecord(
  key: { readonly algorithm: SignatureAlgorithm; readonly publicKey: string },
): string {
  return `v=DKIM1; k=${key.algorithm === "rsa-sha256" ? "rsa" : "ed25519"}; p=${key.publicKey}`;
}

export function dkimRecordName(domain: string, selector: string): string {
  return `${selector}._domainkey.${domain}`;
}

/** A value as the character-strings of one TXT record. */
export function txtStrings(value: string): readonly string[] {
  const strings: string[] = [];
  for (let at = 0; at < value.length || at === 0; at += MAX_STRING_OCTETS) {
    strings.push(value.slice(at, at + MAX_STRING_OCTETS));
  }
  return strings;
}

/**
 * A selector that tells when a key was made and for what, such as `202611r-5f3a9c`. Its end comes from the key:
 * another one never gets the same, whose record caches may still hold.
 */
export function defaultSelector(
  key: { readonly algorithm: SignatureAlgorithm; readonly publicKey: string },
  nowMs: number,
): string {
  const month = new Date(nowMs).toISOString().slice(0, 7).replace("-", "");
  const kind = key.algorithm === "rsa-sha256" ? "r" : "e";
  return `${month}${kind}-${hash("sha256", key.publicKey).slice(0, 6)}`;
}

/** Reads a published record, its strings joined. */
export function parseDkimRecord(text: string): DkimRecord {
  const tags = new Map<string, string>();
  // RFC 6376 §3.2: a semicolon may end the list.
  for (const [index, part] of text.replace(/;\s*$/, "").split(";").entries()) {
    const match = /^([a-z][a-z0-9_]*)\s*=([^]*)$/i.exec(part.trim());
    if (match === null) return fault("a part of it is no tag=value");
    const [, name, untrimmed] = match;
    const value = untrimmed.trim();
    if (tags.has(name)) return fault(`${name}= is there twice`);
    if (name === "v" && (index > 0 || value !== "DKIM1")) {
      return fault("v= is not DKIM1, or not first");
    }
    tags.set(name, value);
  }
  const key = tags.get("p")?.replace(/\s/g, "");
  if (key === undefined) return fault("p= is missing");
  if (key === "") return { kind: "revoked" };
  if (!isList(tags.get("h"), "sha256")) return fault("h= does not allow sha256");
  if (!isList(tags.get("s"), "email")) return fault("s= does not allow email");
  const kind = tags.get("k") ?? "rsa";
  if (kind !== "rsa" && kind !== "ed25519") return fault(`k=${kind} is no key type we know`);
  if (Buffer.from(key, "base64").toString("base64") !== key) return fault("p= is not base64");
  const flags = (tags.get("t") ?? "").split(":").map((flag) => flag.trim());
  return {
    kind: "key",
    algorithm: kind === "rsa" ? "rsa-sha256" : "ed25519-sha256",
    publicKey: key,
    isTesting: flags.includes("y"),
    isStrict: flags.includes("s"),
  };
}

/** Whether a list in a tag allows a value; a tag left out allows all. */
function isList(list: string | undefined, wanted: string): boolean {
  if (list === undefined) return true;
  return list.split(":").map((item) => item.trim()).some((item) => item === wanted || item === "*");
}

function fault(reason: string): DkimRecord {
  return { kind: "fault", reason };
}
