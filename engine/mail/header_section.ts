/**
 * The header section of a message, read in place (RFC 5322 §2.2): where it ends, which fields it has,
 * what one of them says. Takes what a stranger sent: lines without a colon are no fields, line ends may
 * be bare LF, the end may be missing. Knows no field's grammar and never touches the body.
 */
import { Buffer } from "node:buffer";

/** One field; offsets count octets from the start of the message. */
export interface HeaderField {
  /** As written, without the colon. */
  readonly name: string;
  readonly startOctet: number;
  /** Directly behind the colon. */
  readonly valueStartOctet: number;
  /** Behind the last character of the value, before its line end. */
  readonly valueEndOctet: number;
}

/** What lies beyond this is left alone; the largest honest header sections are a tenth of it. */
export const MAX_HEADER_SECTION_OCTETS = 262_144;
/** RFC 5322 §2.1.1 bounds a line to this; an unfolded value is cut here. */
const MAX_VALUE_CHARACTERS = 998;
const FIRST_WINDOW_OCTETS = 4_096;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;

/**
 * Finds the header section of a message. The octets are read once and not kept; the body is never
 * copied.
 */
export function readHeaderSection(
  octets: Uint8Array,
  options: { readonly maxOctets: number } = { maxOctets: MAX_HEADER_SECTION_OCTETS },
): HeaderSection {
  const view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const limit = Math.min(view.length, options.maxOctets);
  const starts: number[] = [];
  let at = 0;
  for (let window = Math.min(FIRST_WINDOW_OCTETS, limit);; window = Math.min(window * 4, limit)) {
    // One character an octet, so that offsets in the text are offsets in the message.
    const text = view.toString("latin1", 0, window);
    for (let lf = text.indexOf("\n", at); lf >= 0; lf = text.indexOf("\n", at)) {
      const first = text.charCodeAt(at);
      if (lf === at || (first === CR && lf === at + 1)) {
        return new HeaderSection(text.slice(0, at), starts, { bodyOctet: lf + 1 });
      }
      if (first !== SPACE && first !== TAB) starts.push(at);
      at = lf + 1;
    }
    if (window < limit) continue;
    const first = text.charCodeAt(at);
    if (at < limit && first !== SPACE && first !== TAB) starts.push(at);
    return new HeaderSection(text, starts, { bodyOctet: null });
  }
}

/** A header section and where its unfolded lines start. */
export class HeaderSection {
  readonly #text: string;
  readonly #starts: readonly number[];
  /** Where the body starts, behind the empty line. */
  readonly bodyOctet: number;
  /** False when no empty line ends the header section, within the bound. */
  readonly isTerminated: boolean;

  /** @param end `bodyOctet` is null when no empty line was found. */
  constructor(text: string, starts: readonly number[], end: { bodyOctet: number | null }) {
    this.#text = text;
    this.#starts = starts;
    this.bodyOctet = end.bodyOctet ?? text.length;
    this.isTerminated = end.bodyOctet !== null;
  }

  /** Octets of the header section, the last field's line end included, the empty line not. */
  get sizeOctets(): number {
    return this.#text.length;
  }

  /** How many fields have this name, in any case; counting stops at `atMost`. */
  count(name: string, atMost = Infinity): number {
    const lower = name.toLowerCase();
    let found = 0;
    for (const start of this.#starts) {
      if (valueStart(this.#text, start, lower) >= 0 && ++found >= atMost) break;
    }
    return found;
  }

  has(name: string): boolean {
    return this.count(name, 1) > 0;
  }

  /**
   * The first such field's value, unfolded, trimmed, read as UTF-8 and cut at 998 characters; `null`
   * when there is none. Control characters become spaces.
   */
  first(name: string): string | null {
    const lower = name.toLowerCase();
    const index = this.#starts.findIndex((start) => valueStart(this.#text, start, lower) >= 0);
    if (index < 0) return null;
    const start = valueStart(this.#text, this.#starts[index], lower);
    // Octets suffice for the characters: UTF-8 takes at most four each.
    const end = Math.min(this.#fieldEnd(index), start + 4 * MAX_VALUE_CHARACTERS);
    return decode(this.#text.slice(start, end))
      // RFC 5322 §2.2.3: unfolding removes the line end and keeps the white space behind it.
      .replace(/\r?\n(?=[ \t])/g, "")
      // deno-lint-ignore no-control-regex
      .replace(/[\x00-\x1f\x7f-\x9f]/g, " ")
      .trim()
      .slice(0, MAX_VALUE_CHARACTERS)
      // The cut may have halved a surrogate pair.
      .toWellFormed();
  }

  /** The fields from top to bottom. */
  *fields(): Generator<HeaderField> {
    const text = this.#text;
    for (let index = 0; index < this.#starts.length; index++) {
      const start = this.#starts[index];
      const colon = nameEnd(text, start);
      if (colon < 0) continue;
      yield {
        name: text.slice(start, colon).trimEnd(),
        startOctet: start,
        valueStartOctet: colon + 1,
        valueEndOctet: trimLineEnd(text, colon + 1, this.#fieldEnd(index)),
      };
    }
  }

  /** Whether each line starts a field or goes on with one; of any other, everyone makes something else. */
  hasOnlyFields(): boolean {
    return (this.#starts[0] ?? this.#text.length) === 0 &&
      this.#starts.every((start) => nameEnd(this.#text, start) >= 0);
  }

  /** Behind the last of the field's folded lines. */
  #fieldEnd(index: number): number {
    return this.#starts[index + 1] ?? this.#text.length;
  }
}

/** Where the value of a field of this name, in lower case, starts, if one starts here; else -1. */
function valueStart(text: string, start: number, lowerName: string): number {
  if ((text.charCodeAt(start) | 0x20) !== (lowerName.charCodeAt(0) | 0x20)) return -1;
  const end = start + lowerName.length;
  let at = end;
  // RFC 5322 §4.5: the obsolete syntax lets white space stand before the colon.
  while (text.charCodeAt(at) === SPACE || text.charCodeAt(at) === TAB) at++;
  if (text.charCodeAt(at) !== COLON) return -1;
  return text.slice(start, end).toLowerCase() === lowerName ? at + 1 : -1;
}

/** Where the colon behind a field's name stands; -1 when the line starts no field. */
function nameEnd(text: string, start: number): number {
  let isOver = false;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COLON) return at === start ? -1 : at;
    // A name is printable ASCII, with white space behind it at the most.
    if (code === SPACE || code === TAB) isOver = true;
    else if (isOver || code < SPACE || code >= 127) return -1;
  }
  return -1;
}

function trimLineEnd(text: string, start: number, end: number): number {
  if (end > start && text.charCodeAt(end - 1) === LF) end--;
  if (end > start && text.charCodeAt(end - 1) === CR) end--;
  return end;
}

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

function decode(latin1: string): string {
  return ASCII.test(latin1) ? latin1 : Buffer.from(latin1, "latin1").toString("utf8");
}
