/**
 * Validates a message's ARC chain (RFC 8617 §5.2): the last ARC-Message-Signature and every seal must hold. Whether
 * a sealer is to be believed is decided elsewhere.
 */
import { Buffer } from "node:buffer";
import { type ArcChain, type ArcSet, readArcChain } from "./arc_set.ts";
import { withoutSignature } from "./dkim_signature.ts";
import { fetchKey, verifyMessageSignature, type VerifyOptions, verifyText } from "./dkim_verify.ts";
import type { ArcResult } from "./results.ts";
import { canonicalField, type SignedMessage } from "./signed_message.ts";

/** What a first sealer says of results; longer ones are cut. */
const MAX_RESULTS_CHARACTERS = 2_000;

/** Never rejects. */
export async function verifyArc(
  message: SignedMessage,
  options: VerifyOptions,
): Promise<ArcResult> {
  const chain: ArcChain = readArcChain(message);
  if (chain.kind === "none") return result("none", null);
  if (chain.kind === "fault") return result("fail", chain.reason);
  const { sets } = chain;
  const last = sets[sets.length - 1];
  const { field, tags, signature } = last.message;
  const own = canonicalField(field, withoutSignature(field.value, tags), signature.headerForm);
  const content = await verifyMessageSignature(message, { signature, own, options });
  if (content.verdict !== "pass") {
    const verdict = content.verdict === "temperror" ? "temperror" : "fail";
    return result(verdict, `ARC-Message-Signature ${sets.length}: ${content.reason}`);
  }
  const keys = sets.map(({ seal }) => fetchKey(seal.signature, options));
  let covered = "";
  const texts = sets.map((set) => {
    const { whole, unsigned } = sealedForms(set);
    const text = covered + unsigned;
    covered += whole;
    return text;
  });
  for (let at = sets.length - 1; at >= 0; at--) {
    const key = await keys[at];
    const seal = key.kind === "none" ? key : verifyText(texts[at], {
      signature: sets[at].seal.signature,
      key,
      verifier: options.verifier,
    });
    if (seal.verdict === "pass") continue;
    const verdict = seal.verdict === "temperror" ? "temperror" : "fail";
    return result(verdict, `ARC-Seal ${at + 1}: ${seal.reason}`);
  }
  return {
    verdict: "pass",
    sealers: sets.map(({ seal }) => seal.signature.domain),
    firstResults: readable(sets[0].resultsText),
    reason: null,
  };
}

/** A set in the order seals cover it (RFC 8617 §5.1.1), and the same with its seal not yet signed. */
function sealedForms({ results, message, seal }: ArcSet): { whole: string; unsigned: string } {
  const before = canonicalField(results, results.value, "relaxed") + "\r\n" +
    canonicalField(message.field, message.field.value, "relaxed") + "\r\n";
  const { field, tags } = seal;
  return {
    whole: before + canonicalField(field, field.value, "relaxed") + "\r\n",
    unsigned: before + canonicalField(field, withoutSignature(field.value, tags), "relaxed"),
  };
}

function readable(latin1: string): string {
  return Buffer.from(latin1.slice(0, MAX_RESULTS_CHARACTERS), "latin1").toString("utf8")
    .replace(/\r\n(?=[ \t])/g, "")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x1f\x7f-\x9f]/g, " ")
    .trim();
}

function result(verdict: ArcResult["verdict"], reason: string | null): ArcResult {
  return { verdict, sealers: [], firstResults: null, reason };
}
