/**
 * A message in the shape mailauth reads, its body hashed by us. What mailauth hashes itself it hashes anew for
 * each form and length that signatures name, and mends white space line by line: seconds for a MiB a stranger
 * took care over, during which nothing else happens on the thread.
 */
import type { Buffer } from "node:buffer";
import type { Readable, Writable } from "node:stream";
import { type BodyForm, hashBody } from "./dkim_canonical.ts";

/** The body is hashed for so many forms and lengths; the signatures of honest messages name two or three. */
const MAX_BODY_FORMS = 4;

/** mailauth's verifier, which has a hasher for each `form:algorithm:octets` once it knows the header section. */
interface Verifier extends Writable {
  readonly bodyHashes: Map<string, unknown>;
}

/** @param bodyOctet where the body starts, behind the empty line. */
export function mailauthMessage(
  octets: Buffer,
  { bodyOctet, signal }: { readonly bodyOctet: number; readonly signal: AbortSignal },
): Readable {
  const feed = async (verifier: Verifier) => {
    await new Promise<void>((resolve, reject) =>
      verifier.write(octets.subarray(0, bodyOctet), (error) => error ? reject(error) : resolve())
    );
    if (verifier.bodyHashes.size > MAX_BODY_FORMS) {
      throw new Error("Too many ways to hash the body");
    }
    const body = octets.subarray(bodyOctet);
    for (const key of verifier.bodyHashes.keys()) {
      signal.throwIfAborted();
      verifier.bodyHashes.set(key, await hashed(body, formOf(key)));
    }
    verifier.end();
  };
  const source = {
    // It never fails by itself: what goes wrong ends the verifier.
    on: () => source,
    pipe(verifier: Verifier) {
      feed(verifier).catch((error) => verifier.destroy(error));
      return verifier;
    },
  };
  return source as unknown as Readable;
}

function formOf(key: string): BodyForm {
  const [form, algorithm, maxOctets] = key.split(":");
  return {
    form: form === "simple" ? "simple" : "relaxed",
    algorithm: algorithm === "sha1" ? "sha1" : "sha256",
    maxOctets: maxOctets === "" ? Infinity : Number(maxOctets),
  };
}

/** A hasher of mailauth's that has seen the body. */
async function hashed(body: Uint8Array, form: BodyForm) {
  const { digest, octets } = await hashBody(body, form);
  return {
    digest: (encoding: "base64") => digest.toString(encoding),
    getMimeStructureStart: () => 0,
    byteLength: body.length,
    canonicalizedLength: octets,
    bodyHashedBytes: Math.min(octets, form.maxOctets),
  };
}
