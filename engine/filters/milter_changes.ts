/**
 * What a milter does to a header section, gathered as fields to take out and fields to put on top. Positions are
 * not kept: whatever is added or changed stands on top, so that nothing below moves.
 */
import type { HeaderField, HeaderSection } from "../mail/header_section.ts";
import type { OctetRange } from "../mail/octet_range.ts";
import type { HeaderChanges } from "./filter.ts";

const MAX_CHANGES = 100;
const MAX_ADDED_CHARACTERS = 128 * 1024;
const MAX_NAME_CHARACTERS = 100;
/** RFC 5322 §2.1.1 */
const MAX_LINE_OCTETS = 998;

const CR = 13;
const LF = 10;

export class MilterChanges {
  readonly #header: HeaderSection;
  readonly #octets: Uint8Array;
  readonly #keepsSpace: boolean;
  /** The last one inserted stands topmost. */
  #inserted: string[] = [];
  #added: string[] = [];
  /** By where the field starts. */
  readonly #removed = new Map<number, OctetRange>();
  #changes = 0;
  #characters = 0;

  /** @param options `keepsSpace`: values come with the space behind the colon. */
  constructor(
    message: { readonly header: HeaderSection; readonly octets: Uint8Array },
    options: { readonly keepsSpace: boolean },
  ) {
    this.#header = message.header;
    this.#octets = message.octets;
    this.#keepsSpace = options.keepsSpace;
  }

  /** Below what is inserted. All three are false for nonsense, or more than anybody needs. */
  add(name: string, value: string): boolean {
    return this.#put(this.#added, name, value);
  }

  /** On top, wherever it was meant to go. */
  insert(name: string, value: string): boolean {
    return this.#put(this.#inserted, name, value);
  }

  /**
   * @param occurrence from 1, of the fields with this name as the message came; past the last one it is added.
   * @param value empty to take the field out.
   */
  change(name: string, occurrence: number, value: string): boolean {
    if (++this.#changes > MAX_CHANGES || !isFieldName(name)) return false;
    const field = this.#find(name, Math.max(occurrence, 1));
    if (field !== null) this.#removed.set(field.startOctet, this.#rangeOf(field));
    return value === "" || this.#put(this.#added, name, value);
  }

  result(): HeaderChanges {
    return {
      onTop: [...this.#inserted.toReversed(), ...this.#added].join(""),
      removed: [...this.#removed.values()].sort((a, b) => a.startOctet - b.startOctet),
    };
  }

  #put(to: string[], name: string, value: string): boolean {
    if (++this.#changes > MAX_CHANGES || !isFieldName(name)) return false;
    const field = formatField(name, value, this.#keepsSpace);
    if (field === null) return false;
    this.#characters += field.length;
    if (this.#characters > MAX_ADDED_CHARACTERS) return false;
    to.push(field);
    return true;
  }

  #find(name: string, occurrence: number): HeaderField | null {
    const lower = name.toLowerCase();
    let seen = 0;
    for (const field of this.#header.fields()) {
      if (field.name.toLowerCase() === lower && ++seen === occurrence) return field;
    }
    return null;
  }

  #rangeOf({ startOctet, valueEndOctet }: HeaderField): OctetRange {
    let endOctet = valueEndOctet;
    if (this.#octets[endOctet] === CR) endOctet++;
    if (this.#octets[endOctet] === LF) endOctet++;
    return { startOctet, endOctet };
  }
}

/** A field with its line ends; `null` when a line is longer than mail may have. */
function formatField(name: string, value: string, keepsSpace: boolean): string | null {
  const [first, ...folded] = value.split(/\r\n|\r|\n/);
  const lines = [
    `${name}:${keepsSpace ? "" : " "}${first}`,
    // An empty line would end the header section, and one that starts with no space is another field.
    ...folded.filter((line) => line.trim() !== "").map((line) =>
      line[0] === " " || line[0] === "\t" ? line : `\t${line}`
    ),
  ];
  if (lines.some((line) => new TextEncoder().encode(line).length > MAX_LINE_OCTETS)) return null;
  // deno-lint-ignore no-control-regex
  return lines.map((line) => `${line.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "?")}\r\n`).join("");
}

function isFieldName(name: string): boolean {
  return name.length <= MAX_NAME_CHARACTERS && /^[!-9;-~]+$/.test(name);
}
