/**
 * Verifies DKIM signatures (RFC 6376 §6, RFC 8301, RFC 8463): fetches keys, compares hashes, and says of each
 * signature what came of it. Stricter than the RFC where readers are misled otherwise: a From or an end of the
 * body that is not signed is no pass. Takes a time that grows with the message's size. Decides nothing about mail.
 */
import { Buffer } from "node:buffer";
import type { SignatureAlgorithm } from "../crypto/signer.ts";
import type { Verifier } from "../crypto/verifier.ts";
import type { Resolver } from "../dns/resolver.ts";
import { type DkimRecord, dkimRecordName, parseDkimRecord } from "./dkim_key.ts";
import {
  type DkimSignature,
  type KeyedSignature,
  type MessageSignature,
  type ReadDkimSignature,
  readDkimSignature,
  withoutSignature,
} from "./dkim_signature.ts";
import type { DkimResult } from "./results.ts";
import { canonicalField, type SignedField, type SignedMessage } from "./signed_message.ts";

export interface VerifyOptions {
  /** Whoever has no time to wait gives one that answers in time. */
  readonly resolver: Pick<Resolver, "txt">;
  readonly verifier: Verifier;
  readonly nowMs: number;
}

/** Each costs a key's lookup; honest messages bear two or three. The first ones count. */
export const MAX_DKIM_SIGNATURES = 10;
/** Records of one name that are looked at; there should be one. */
const MAX_RECORDS = 4;
const MAX_REASON_CHARACTERS = 80;

export interface SignatureVerdict {
  readonly verdict: DkimResult["verdict"];
  readonly reason: string | null;
}

type Key =
  | (DkimRecord & { readonly kind: "key" })
  | ({ readonly kind: "none" } & SignatureVerdict);

/** The results in the order of the fields. Never rejects. */
export function verifyDkim(
  message: SignedMessage,
  options: VerifyOptions,
): Promise<readonly DkimResult[]> {
  return Promise.all(
    message.named("dkim-signature").slice(0, MAX_DKIM_SIGNATURES).map(async (field) => {
      const read = readDkimSignature(field.value, options.nowMs);
      return { ...read.name, ...await verifyField(message, { field, read, options }) };
    }),
  );
}

async function verifyField(
  message: SignedMessage,
  { field, read, options }: {
    readonly field: SignedField;
    readonly read: ReadDkimSignature;
    readonly options: VerifyOptions;
  },
): Promise<SignatureVerdict> {
  const { result, tags } = read;
  if (result.kind === "fault" || tags === null) {
    return result.kind === "fault"
      ? result
      : failure("permerror", "the signature is no list of tags");
  }
  // RFC 6376 §8.15: what is on top of the one that was signed is what readers see.
  const froms = result.signedNames.filter((name) => name === "from").length;
  if (message.count("from") > froms) return failure("policy", "a From field is not signed");
  const own = canonicalField(field, withoutSignature(field.value, tags), result.headerForm);
  return await verifyMessageSignature(message, { signature: result, own, options });
}

/** @param own the signature's own field in canonical form, `b=` left empty. */
export async function verifyMessageSignature(
  message: SignedMessage,
  { signature, own, options }: {
    readonly signature: MessageSignature | DkimSignature;
    readonly own: string;
    readonly options: VerifyOptions;
  },
): Promise<SignatureVerdict> {
  const fetched = fetchKey(signature, options);
  const body = await message.bodyDigest(signature.bodyForm, signature.bodyOctets);
  if (body === null) return failure("permerror", "too many ways to hash the body");
  if (body.octets < signature.bodyOctets && signature.bodyOctets !== Infinity) {
    return failure("fail", "the body is shorter than l= says");
  }
  const isBodyRight = body.digest.equals(signature.bodyHash);
  if (!isBodyRight) return failure("fail", "the body hash did not verify");
  const key = await fetched;
  if (key.kind === "none") return key;
  // RFC 6376 §3.6.1, t=s
  if (
    key.isStrict && "identityDomain" in signature && signature.identityDomain !== signature.domain
  ) {
    return failure("permerror", "the key is for d= alone, and i= names a subdomain");
  }
  const text = message.canonicalFields(signature.signedNames, signature.headerForm) + own;
  const verified = verifyText(text, { signature, key, verifier: options.verifier });
  // Departs from RFC 6376 §8.2: what stands behind the signed part may be anybody's.
  return verified.verdict === "pass" && body.octets > signature.bodyOctets
    ? failure("policy", "the end of the body is not signed")
    : verified;
}

/** Whether the key made the signature over a text of one character an octet. */
export function verifyText(
  text: string,
  { signature, key, verifier }: {
    readonly signature: KeyedSignature;
    readonly key: { readonly algorithm: SignatureAlgorithm; readonly publicKey: string };
    readonly verifier: Verifier;
  },
): SignatureVerdict {
  if (key.algorithm !== signature.algorithm) {
    return failure("permerror", "the key is of another algorithm");
  }
  const { algorithm, publicKey } = key;
  const octets = Buffer.from(text, "latin1");
  switch (verifier.verify({ algorithm, publicKey, octets, signature: signature.signature })) {
    case "valid":
      return { verdict: "pass", reason: null };
    case "invalid":
      return failure("fail", "the signature did not verify");
    case "no_key":
      return failure("permerror", "p= is no key");
    case "weak_key":
      // RFC 8301 §3.2
      return failure("policy", "the key is too short");
  }
}

export async function fetchKey(
  { domain, selector }: KeyedSignature,
  { resolver }: Pick<VerifyOptions, "resolver">,
): Promise<Key> {
  const answer = await resolver.txt(dkimRecordName(domain, selector));
  switch (answer.kind) {
    case "tempfail":
      return none("temperror", `the key could not be looked up: ${answer.reason}`);
    case "nodata":
    case "nxdomain":
      return none("permerror", "there is no key");
    case "found": {
      const records = answer.records.slice(0, MAX_RECORDS).map(parseDkimRecord);
      const record = records.find(({ kind }) => kind === "key") ?? records[0];
      if (record.kind === "key") return record;
      return record.kind === "revoked"
        ? none("permerror", "the key is revoked")
        : none("permerror", `the key's record is broken: ${shown(record.reason)}`);
    }
  }
}

function failure(verdict: SignatureVerdict["verdict"], reason: string): SignatureVerdict {
  return { verdict, reason };
}

/** Parts of it are a stranger's. */
function shown(reason: string): string {
  return reason.slice(0, MAX_REASON_CHARACTERS).replace(/[^ -~]/g, "?");
}

function none(verdict: SignatureVerdict["verdict"], reason: string): Key {
  return { kind: "none", verdict, reason };
}
