/**
 * A message as those see it who sign and verify: fields in canonical form and the body's digests, each made once
 * for all signatures (RFC 6376 §3.4, §3.7). Bounded in what a stranger can make it do. Judges no signature.
 */
import { Buffer } from "node:buffer";
import type { HeaderSection } from "../mail/header_section.ts";
import { type BodyForm, hashBody, relaxedField } from "./dkim_canonical.ts";

export type CanonicalForm = "relaxed" | "simple";

export interface SignedField {
  /** In lower case. */
  readonly name: string;
  /** One character an octet, as it stands: name, colon, value, without the line end. */
  readonly text: string;
  /** What stands behind the colon. */
  readonly value: string;
}

/** The body is hashed for so many forms and lengths; the signatures of honest messages name two or three. */
const MAX_BODY_FORMS = 4;

export class SignedMessage {
  readonly fields: readonly SignedField[];
  readonly #body: Uint8Array;
  /** Indices into `fields`, from top to bottom. */
  readonly #byName = new Map<string, number[]>();
  readonly #relaxed: (string | undefined)[] = [];
  readonly #digests = new Map<string, ReturnType<typeof hashBody>>();

  /** @param octets lines ending in CRLF; kept, not copied. `header` is its header section. */
  constructor(octets: Uint8Array, header: HeaderSection) {
    const view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
    const text = view.toString("latin1", 0, header.sizeOctets);
    const fields: SignedField[] = [];
    for (const { name, startOctet, valueStartOctet, valueEndOctet } of header.fields()) {
      const lower = name.toLowerCase();
      const indices = this.#byName.get(lower);
      if (indices === undefined) this.#byName.set(lower, [fields.length]);
      else indices.push(fields.length);
      fields.push({
        name: lower,
        text: text.slice(startOctet, valueEndOctet),
        value: text.slice(valueStartOctet, valueEndOctet),
      });
    }
    this.fields = fields;
    this.#body = octets.subarray(header.bodyOctet);
  }

  count(name: string): number {
    return this.#byName.get(name)?.length ?? 0;
  }

  /** The fields of a name in lower case, from top to bottom. */
  named(name: string): SignedField[] {
    return (this.#byName.get(name) ?? []).map((index) => this.fields[index]);
  }

  /**
   * The text of the fields a signature names: of those with one name the last first, each once, each with its
   * line end; a name too many stands for nothing (RFC 6376 §5.4.2).
   */
  canonicalFields(names: readonly string[], form: CanonicalForm): string {
    const taken = new Map<string, number>();
    let text = "";
    for (const name of names) {
      const indices = this.#byName.get(name);
      if (indices === undefined) continue;
      const count = taken.get(name) ?? 0;
      if (count >= indices.length) continue;
      taken.set(name, count + 1);
      const index = indices[indices.length - 1 - count];
      text += (form === "relaxed" ? this.#relaxedAt(index) : this.fields[index].text) + "\r\n";
    }
    return text;
  }

  /** The body's digest in a form, and how many octets that form has in all; `null` when too many were asked for. */
  async bodyDigest(
    form: CanonicalForm,
    maxOctets: number,
  ): Promise<Awaited<ReturnType<typeof hashBody>> | null> {
    const key = `${form}:${maxOctets}`;
    let digest = this.#digests.get(key);
    if (digest === undefined) {
      if (this.#digests.size >= MAX_BODY_FORMS) return null;
      const bodyForm: BodyForm = { form, algorithm: "sha256", maxOctets };
      digest = hashBody(this.#body, bodyForm);
      this.#digests.set(key, digest);
    }
    return await digest;
  }

  #relaxedAt(index: number): string {
    const { name, value } = this.fields[index];
    return this.#relaxed[index] ??= relaxedField(name, value);
  }
}

/** A field in canonical form, without a line end, as a signature's own goes last. */
export function canonicalField(field: SignedField, value: string, form: CanonicalForm): string {
  if (form === "relaxed") return relaxedField(field.name, value);
  return field.text.slice(0, field.text.length - field.value.length) + value;
}
