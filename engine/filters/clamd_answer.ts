/** What clamd says of a stream it was given, read from its own words (clamd(8), INSTREAM). */

export type ClamdAnswer =
  | { readonly kind: "clean" }
  | { readonly kind: "found"; readonly signature: string }
  /** More than its StreamMaxLength. */
  | { readonly kind: "too_large" }
  | { readonly kind: "nonsense"; readonly said: string };

const MAX_SIGNATURE_CHARACTERS = 100;

/** @param said up to the NUL that ends an answer, without it. */
export function readClamdAnswer(said: string): ClamdAnswer {
  const text = said.trim();
  const verdict = text.startsWith("stream: ") ? text.slice("stream: ".length) : text;
  if (verdict === "OK") return { kind: "clean" };
  if (verdict.endsWith(" FOUND")) {
    const signature = verdict.slice(0, -" FOUND".length).trim().slice(0, MAX_SIGNATURE_CHARACTERS);
    return { kind: "found", signature: signature.replace(/[^!-~]/g, "?") };
  }
  if (verdict.startsWith("INSTREAM size limit exceeded")) return { kind: "too_large" };
  return { kind: "nonsense", said: text.slice(0, 100).replace(/[^ -~]/g, "?") };
}
