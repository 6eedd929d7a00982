/**
 * Finds the lines of a message that start with two hyphens, the only ones that can be delimiters of a
 * multipart (RFC 2046 §5.1.1). Reads forward through windows, so that no body is copied whole. Knows no
 * boundary.
 */
import { Buffer } from "node:buffer";

const WINDOW_OCTETS = 65_536;
/** Longer lines are no delimiters, whatever they end with. */
const MAX_LINE_OCTETS = 1_024;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;

export interface DashLine {
  /** One character an octet, without its line end and the white space before it. */
  readonly text: string;
  /** Behind the line end. */
  readonly nextOctet: number;
}

export class DashLines {
  readonly #octets: Uint8Array;
  readonly #view: Buffer;
  #text = "";
  #start = 0;
  /** From here to the line last found there is no other. */
  #from = 0;
  #found = -1;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
    this.#view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  }

  /**
   * Where the first such line at or behind `from` starts; the number of octets when there is none. Made
   * to go forward: each octet is looked at once, unless `from` goes back.
   */
  next(from: number): number {
    if (from >= this.#from && from <= this.#found) return this.#found;
    this.#from = from;
    return this.#found = this.#seek(from);
  }

  /** The line that starts at `start`; `null` when it is too long for a delimiter. */
  line(start: number): DashLine | null {
    const octets = this.#octets;
    const limit = Math.min(octets.length, start + MAX_LINE_OCTETS);
    this.#reach(start, limit);
    const text = this.#text;
    const at = start - this.#start;
    const lf = text.indexOf("\n", at);
    let end = lf < 0 ? text.length : lf;
    if (end - at > MAX_LINE_OCTETS) return null;
    const nextOctet = this.#start + Math.min(end + 1, text.length);
    while (end > at && isBlank(text.charCodeAt(end - 1))) end--;
    return { text: text.slice(at, end), nextOctet };
  }

  #seek(from: number): number {
    const octets = this.#octets;
    let at = from;
    while (at < octets.length) {
      this.#reach(at, at + 2);
      const text = this.#text;
      const end = this.#start + text.length;
      // Hyphens are rarer than line ends, above all in base64.
      const dashes = text.indexOf("--", at - this.#start);
      if (dashes < 0) {
        if (end >= octets.length) break;
        // The last octet may be the first of two.
        at = end - 1;
        continue;
      }
      const found = this.#start + dashes;
      if (found === 0 || octets[found - 1] === LF) return found;
      const lf = text.indexOf("\n", dashes);
      at = lf < 0 ? end : this.#start + lf + 1;
    }
    return octets.length;
  }

  /** Moves the window so that it holds the octets from `start` to `end`, as far as there are any. */
  #reach(start: number, end: number) {
    const windowEnd = this.#start + this.#text.length;
    if (start >= this.#start && Math.min(end, this.#octets.length) <= windowEnd) return;
    this.#start = start;
    this.#text = this.#view.toString("latin1", start, start + WINDOW_OCTETS);
  }
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB || code === CR;
}
