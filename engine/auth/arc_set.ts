/**
 * ARC sets of a message (RFC 8617 §4): which fields belong together, and what is wrong with the chain before any
 * signature is looked at. Verifies nothing.
 */
import {
  type KeyedSignature,
  type MessageSignature,
  readKeyedSignature,
  readMessageSignature,
} from "./dkim_signature.ts";
import type { SignedField, SignedMessage } from "./signed_message.ts";
import { parseTagList, type TagList } from "./tag_list.ts";

export interface ArcSet {
  readonly results: SignedField;
  /** The results behind the instance, as written. */
  readonly resultsText: string;
  readonly message: {
    readonly field: SignedField;
    readonly tags: TagList;
    readonly signature: MessageSignature;
  };
  readonly seal: {
    readonly field: SignedField;
    readonly tags: TagList;
    readonly signature: KeyedSignature;
  };
}

export type ArcChain =
  | { readonly kind: "none" }
  | { readonly kind: "fault"; readonly reason: string }
  /** By instance, the first one first. */
  | { readonly kind: "chain"; readonly sets: readonly ArcSet[] };

/** RFC 8617 §5.1.1.1: what a chain may hold. */
const MAX_SETS = 50;
const INSTANCE = /^[1-9][0-9]?$/;
const RESULTS_INSTANCE = /^[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,4})[ \t\r\n]*;/;

/** Reads the sets and judges what RFC 8617 §5.2 asks of them in steps 1 to 3. */
export function readArcChain(message: SignedMessage): ArcChain {
  const fields = {
    results: message.named("arc-authentication-results"),
    messages: message.named("arc-message-signature"),
    seals: message.named("arc-seal"),
  };
  const count = fields.seals.length;
  if (fields.results.length + fields.messages.length + count === 0) return { kind: "none" };
  if (count > MAX_SETS) return fault("there are too many sets");
  if (fields.results.length !== count || fields.messages.length !== count) {
    return fault("a set is not whole");
  }
  const sets: Partial<{ -readonly [K in keyof ArcSet]: ArcSet[K] }>[] = Array.from(
    { length: count },
    () => ({}),
  );
  for (const field of fields.results) {
    const match = RESULTS_INSTANCE.exec(field.value.slice(0, MAX_INSTANCE_CHARACTERS));
    const set = match === null ? undefined : sets[Number(match[1]) - 1];
    if (set === undefined || set.results !== undefined) return fault("an instance is wrong");
    set.results = field;
    set.resultsText = field.value.slice(match![0].length);
  }
  for (const field of fields.messages) {
    const tags = parseTagList(field.value);
    const set = setOf(sets, tags);
    if (tags === null || set === undefined || set.message !== undefined) {
      return fault("an ARC-Message-Signature is malformed");
    }
    // RFC 8617 names no default; those who leave c= out sign relaxed forms.
    const signature = readMessageSignature(tags, { defaultForms: "relaxed/relaxed" });
    if ("kind" in signature) return fault(`ARC-Message-Signature: ${signature.reason}`);
    // RFC 8617 §4.1.2
    if (signature.signedNames.includes("arc-seal")) {
      return fault("ARC-Message-Signature covers seals");
    }
    set.message = { field, tags, signature };
  }
  for (const field of fields.seals) {
    const tags = parseTagList(field.value);
    const set = setOf(sets, tags);
    if (tags === null || set === undefined || set.seal !== undefined) {
      return fault("an ARC-Seal is malformed");
    }
    // RFC 8617 §4.1.3: it covers what it covers.
    if (["h", "bh", "c", "l", "q", "x"].some((tag) => tags.has(tag))) {
      return fault("an ARC-Seal has a tag that is not its own");
    }
    const signature = readKeyedSignature(tags);
    if ("kind" in signature) return fault(`ARC-Seal: ${signature.reason}`);
    // RFC 8617 §5.2 step 3
    const expected = set === sets[0] ? "none" : "pass";
    if (tags.get("cv")?.value !== expected) return fault("cv= is not what the chain needs");
    set.seal = { field, tags, signature };
  }
  return { kind: "chain", sets: sets as readonly ArcSet[] };
}

const MAX_INSTANCE_CHARACTERS = 200;

function setOf<T>(sets: readonly T[], tags: TagList | null): T | undefined {
  const instance = tags?.get("i")?.value ?? "";
  return INSTANCE.test(instance) ? sets[Number(instance) - 1] : undefined;
}

function fault(reason: string): ArcChain {
  return { kind: "fault", reason };
}
