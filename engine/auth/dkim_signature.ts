/**
 * DKIM-Signature fields, and the ARC fields built like them (RFC 6376 §3.5, §6.1.1; RFC 8617 §4.1): what a
 * signature claims, or why it cannot be considered. Verifies nothing.
 */
import { Buffer } from "node:buffer";
import type { SignatureAlgorithm } from "../crypto/signer.ts";
import { normalizeDomain } from "../mail/domain.ts";
import type { CanonicalForm } from "./signed_message.ts";
import { parseTagList, type TagList, withoutSpace } from "./tag_list.ts";

/** What is told of a signature in any case. */
export interface SignatureName {
  /** In A-labels and lower case; empty when there is none. */
  readonly domain: string;
  readonly selector: string;
  readonly identity: string;
  readonly algorithm: string;
  readonly signaturePrefix: string;
}

export interface KeyedSignature {
  readonly algorithm: SignatureAlgorithm;
  readonly domain: string;
  readonly selector: string;
  readonly signature: Uint8Array;
}

export interface MessageSignature extends KeyedSignature {
  readonly headerForm: CanonicalForm;
  readonly bodyForm: CanonicalForm;
  /** In lower case. */
  readonly signedNames: readonly string[];
  readonly bodyHash: Uint8Array;
  /** `l=`; infinite without it. */
  readonly bodyOctets: number;
}

export interface SignatureFault {
  readonly kind: "fault";
  /** `policy`: well formed, and not what we trust (RFC 8301). */
  readonly verdict: "permerror" | "policy" | "fail";
  readonly reason: string;
}

export type DkimSignature = MessageSignature & {
  readonly kind: "signature";
  /** The domain of `i=`. */
  readonly identityDomain: string;
};

export interface ReadDkimSignature {
  readonly name: SignatureName;
  readonly result: DkimSignature | SignatureFault;
  readonly tags: TagList | null;
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const NUMBER = /^[0-9]{1,76}$/;
/** Joined by colons, which are in none of them. */
const FIELD_NAMES = /^[!-~]*$/;
const PRINTABLE = /^[!-~]{1,256}$/;
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
const PREFIX_CHARACTERS = 8;
const MAX_SIGNED_NAMES = 500;
const MAX_SIGNATURE_CHARACTERS = 2_048;

/** @param value what stands behind the colon, one character an octet. */
export function readDkimSignature(value: string, nowMs: number): ReadDkimSignature {
  const tags = parseTagList(value);
  const name = signatureName(tags);
  const result = tags === null
    ? fault("the signature is no list of tags")
    : judged(tags, { name, nowMs });
  return { name, result, tags };
}

function judged(
  tags: TagList,
  { name, nowMs }: { readonly name: SignatureName; readonly nowMs: number },
): DkimSignature | SignatureFault {
  if (tags.get("v")?.value !== "1") return fault("v= is not 1");
  const signature = readMessageSignature(tags, { defaultForms: "simple/simple" });
  if ("kind" in signature) return signature;
  // RFC 6376 §5.4
  if (!signature.signedNames.includes("from")) return fault("From is not signed");
  const query = tags.get("q")?.value;
  if (query !== undefined && !list(query).some((item) => item.toLowerCase() === "dns/txt")) {
    return fault("q= names no way to the key that we know");
  }
  const at = name.identity.lastIndexOf("@");
  const identityDomain = at < 0 ? null : normalizeDomain(name.identity.slice(at + 1));
  const { domain } = signature;
  if (
    identityDomain === null || !(identityDomain === domain || identityDomain.endsWith(`.${domain}`))
  ) {
    return fault("i= is not of the domain in d=");
  }
  const [signedAt, expiresAt] = ["t", "x"].map((tag) => tags.get(tag)?.value);
  if ([signedAt, expiresAt].some((time) => time !== undefined && !NUMBER.test(time))) {
    return fault("t= or x= is no time");
  }
  if (expiresAt !== undefined) {
    if (Number(expiresAt) < Number(signedAt ?? 0)) return fault("x= is before t=");
    if (Number(expiresAt) * 1000 < nowMs) {
      return { kind: "fault", verdict: "fail", reason: "the signature has expired" };
    }
  }
  return { kind: "signature", ...signature, identityDomain };
}

/** What DKIM-Signature and ARC-Message-Signature have in common. */
export function readMessageSignature(
  tags: TagList,
  options: { readonly defaultForms: "relaxed/relaxed" | "simple/simple" },
): MessageSignature | SignatureFault {
  const keyed = readKeyedSignature(tags);
  if ("kind" in keyed) return keyed;
  const [h, bh] = ["h", "bh"].map((tag) => tags.get(tag)?.value);
  if (h === undefined || bh === undefined) return fault("h= or bh= is missing");
  // An empty name stands for no field.
  const signedNames = list(h.toLowerCase()).filter((item) => item !== "");
  if (signedNames.length > MAX_SIGNED_NAMES || !FIELD_NAMES.test(signedNames.join(":"))) {
    return fault("h= is no list of field names");
  }
  const bodyHash = base64(bh);
  if (bodyHash === null) return fault("bh= is not base64");
  const [headerForm, bodyForm = "simple", ...more] = (tags.get("c")?.value ?? options.defaultForms)
    .split("/");
  if (!isForm(headerForm) || !isForm(bodyForm) || more.length > 0) {
    return fault("c= names a form we do not know");
  }
  const length = tags.get("l")?.value;
  if (length !== undefined && !NUMBER.test(length)) return fault("l= is no number");
  const bodyOctets = length === undefined ? Infinity : Number(length);
  return { ...keyed, headerForm, bodyForm, signedNames, bodyHash, bodyOctets };
}

/** What all signatures have, ARC-Seal too. */
export function readKeyedSignature(tags: TagList): KeyedSignature | SignatureFault {
  const [a, b, d, s] = ["a", "b", "d", "s"].map((tag) => tags.get(tag)?.value);
  if (a === undefined || b === undefined || d === undefined || s === undefined) {
    return fault("a=, b=, d= or s= is missing");
  }
  const algorithm = a.toLowerCase();
  // RFC 8301 §3.1
  if (algorithm === "rsa-sha1") {
    return { kind: "fault", verdict: "policy", reason: "rsa-sha1 is not trusted" };
  }
  if (algorithm !== "rsa-sha256" && algorithm !== "ed25519-sha256") {
    return fault("a= is no algorithm we know");
  }
  const domain = normalizeDomain(utf8(d));
  if (domain === null) return fault("d= is no domain");
  const selector = normalizeDomain(utf8(s));
  if (selector === null) return fault("s= is no selector");
  const signature = base64(b);
  return signature === null
    ? fault("b= is not base64")
    : { algorithm, domain, selector, signature };
}

/** The value with that of `b=` left out, as it is signed (RFC 6376 §3.7). */
export function withoutSignature(value: string, tags: TagList): string {
  const tag = tags.get("b");
  return tag === undefined ? value : value.slice(0, tag.start) + value.slice(tag.end);
}

function signatureName(tags: TagList | null): SignatureName {
  const text = (tag: string) => utf8(withoutSpace(tags?.get(tag)?.value ?? ""));
  const domain = normalizeDomain(text("d")) ?? "";
  const printable = (value: string) => PRINTABLE.test(value) ? value : "";
  const identity = tags?.has("i") ? text("i").slice(0, 512) : `@${domain}`;
  return {
    domain,
    selector: normalizeDomain(text("s")) ?? "",
    identity,
    algorithm: printable(text("a").toLowerCase()),
    signaturePrefix: printable(
      withoutSpace((tags?.get("b")?.value ?? "").slice(0, 4 * PREFIX_CHARACTERS)).slice(
        0,
        PREFIX_CHARACTERS,
      ),
    ),
  };
}

function list(value: string): string[] {
  return value.split(":").map((item) => item.trim());
}

function isForm(text: string): text is CanonicalForm {
  return text === "relaxed" || text === "simple";
}

function base64(value: string): Uint8Array | null {
  const text = withoutSpace(value);
  return text.length <= MAX_SIGNATURE_CHARACTERS && BASE64.test(text)
    ? Buffer.from(text, "base64")
    : null;
}

function utf8(latin1: string): string {
  return ASCII.test(latin1) ? latin1 : Buffer.from(latin1, "latin1").toString("utf8");
}

function fault(reason: string): SignatureFault {
  return { kind: "fault", verdict: "permerror", reason };
}
