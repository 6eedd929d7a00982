/**
 * Turns text into tokens: cuts it into words, folds what is written in different ways, hashes. The hash has no key
 * and never changes, for counts are kept by it. Bounded, and linear in the text whatever it is.
 */
import type { TokenId } from "./bayes.ts";

/** More are not counted. */
export const MAX_TOKENS = 2_000;
const SLOTS = 4_096;
/** Slots looked at; a token that finds no place among them is left out, so that nobody makes looking long. */
const MAX_PROBES = 32;
const MAX_TEXT_CHARACTERS = 40_000;
const MAX_NAME_CHARACTERS = 200;
/** Longer words are numbers and codes, of which only a rough size is said. */
const MAX_WORD_CHARACTERS = 24;
const MAX_LEVELS = 4;

/** Where a hash starts: what sort of token it is. */
export interface TokenKind {
  readonly a: number;
  readonly b: number;
}

export function tokenKind(name: string): TokenKind {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let at = 0; at < name.length; at++) {
    a = mixA(a, name.charCodeAt(at));
    b = mixB(b, name.charCodeAt(at));
  }
  return { a, b };
}

const LONG = tokenKind("long");
const ALL_CAPITALS = 65;
const EXCLAIMED = 33;

const BREAK = 0;
const LETTER = 1;
/** Belongs to a word between two of its letters. */
const INNER = 2;
const UNSEEN = 3;
/** Of a script that has no spaces: pairs of its characters are what words are elsewhere. */
const IDEOGRAPH = 4;
const CAPITAL = 5;

/** By UTF-16 code unit. */
const CLASSES = Uint8Array.from({ length: 65_536 }, (_, code) => classOf(code));
/** Small letters, and 0 for any digit: numbers are hardly ever the same, how many digits they have is. */
const FOLDED = Uint16Array.from({ length: 65_536 }, (_, code) => folded(code));

function classOf(code: number): number {
  if (code < 0x80) {
    const character = String.fromCharCode(code);
    if (/[A-Z]/.test(character)) return CAPITAL;
    if (/[0-9a-z$%]/.test(character)) return LETTER;
    return /['.\-@_]/.test(character) ? INNER : BREAK;
  }
  const isIn = (first: number, last: number) => code >= first && code <= last;
  if (code === 0xad || isIn(0x200b, 0x200f) || code === 0x2060 || code === 0xfeff) return UNSEEN;
  if (code === 0x2019) return INNER;
  if (code < 0xc0 || isIn(0x2000, 0x206f) || isIn(0x3000, 0x303f) || isIn(0xff00, 0xff0f)) {
    return BREAK;
  }
  return isIn(0x3040, 0x9fff) || isIn(0xac00, 0xd7af) || isIn(0xe00, 0xe7f) ? IDEOGRAPH : LETTER;
}

function folded(code: number): number {
  if (code < 0x80) {
    return code >= 48 && code <= 57 ? 48 : code >= 65 && code <= 90 ? code | 32 : code;
  }
  if (code <= 0xde) return code >= 0xc0 && code !== 0xd7 ? code + 32 : code;
  if (code >= 0x391 && code <= 0x3a9) return code + 32;
  if (code >= 0x410 && code <= 0x42f) return code + 32;
  return code >= 0x400 && code <= 0x40f ? code + 80 : code;
}

export class TokenSet {
  /** Where in `#ids` a token stands, counted from 1; 0 is a free slot. */
  readonly #slots = new Uint16Array(SLOTS);
  readonly #ids = new Float64Array(MAX_TOKENS);
  #size = 0;

  /** Each once, in the order they came. */
  get ids(): Float64Array<ArrayBuffer> {
    return this.#ids.slice(0, this.#size);
  }

  /** Adds a text as it is. */
  add(kind: TokenKind, text: string): void {
    let { a, b } = kind;
    const end = Math.min(text.length, MAX_NAME_CHARACTERS);
    for (let at = 0; at < end; at++) {
      const code = text.charCodeAt(at);
      a = mixA(a, code);
      b = mixB(b, code);
    }
    this.#put(a, b);
  }

  /** Adds a host name and the names above it. */
  addHost(kind: TokenKind, name: string): void {
    this.add(kind, name);
    let dot = name.indexOf(".");
    for (let level = 0; dot >= 0 && level < MAX_LEVELS; level++) {
      this.add(kind, name.slice(dot + 1));
      dot = name.indexOf(".", dot + 1);
    }
  }

  /**
   * Adds the words of a text, and what marks a word: capitals throughout, an exclamation mark behind it.
   *
   * @param pairKind of two words in a row; `null` leaves them out.
   */
  addWords(text: string, kind: TokenKind, pairKind: TokenKind | null): void {
    let { a, b } = kind;
    let length = 0;
    let capitals = 0;
    let first = 0;
    let lastA = 0;
    let lastB = 0;
    let hasLast = false;
    let ideograph = 0;
    const end = Math.min(text.length, MAX_TEXT_CHARACTERS);
    for (let at = 0; at <= end && this.#size < MAX_TOKENS; at++) {
      const code = at < end ? text.charCodeAt(at) : 32;
      const type = CLASSES[code];
      const isInner = type === INNER && length > 0 && at + 1 < end &&
        (CLASSES[text.charCodeAt(at + 1)] === LETTER ||
          CLASSES[text.charCodeAt(at + 1)] === CAPITAL);
      if (type === LETTER || type === CAPITAL || isInner) {
        if (type === CAPITAL) capitals++;
        const letter = FOLDED[code];
        if (length++ === 0) first = letter;
        a = mixA(a, letter);
        b = mixB(b, letter);
        continue;
      }
      if (type === UNSEEN) continue;
      if (length > 0) {
        if (length > MAX_WORD_CHARACTERS) {
          this.#put(mixA(LONG.a, first), mixB(LONG.b, Math.min(length, 100) >> 3));
        } else {
          if (length > 1) this.#putWord(a, b, capitals === length && length > 2, code);
          if (pairKind !== null) {
            if (hasLast) this.#put(mixA(pairKind.a ^ lastA, a), mixB(pairKind.b ^ lastB, b));
            lastA = a;
            lastB = b;
            hasLast = true;
          }
        }
        ({ a, b } = kind);
        length = capitals = 0;
      }
      if (type === IDEOGRAPH) {
        if (ideograph !== 0) {
          this.#put(mixA(mixA(kind.a, ideograph), code), mixB(mixB(kind.b, ideograph), code));
        }
        ideograph = code;
      } else ideograph = 0;
    }
  }

  #putWord(a: number, b: number, isLoud: boolean, behind: number): void {
    this.#put(a, b);
    if (isLoud) this.#put(mixA(a, ALL_CAPITALS), mixB(b, ALL_CAPITALS));
    if (behind === EXCLAIMED) this.#put(mixA(a, EXCLAIMED), mixB(b, EXCLAIMED));
  }

  #put(a: number, b: number): void {
    if (this.#size === MAX_TOKENS) return;
    const slots = this.#slots;
    const ids = this.#ids;
    const low = lowBits(a, b);
    const id: TokenId = (highBits(a, b) * 0x1_0000_0000 + (low >>> 0)) || 1;
    let slot = low & (SLOTS - 1);
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const place = slots[slot];
      if (place === 0) {
        ids[this.#size++] = id;
        slots[slot] = this.#size;
        return;
      }
      if (ids[place - 1] === id) return;
      slot = (slot + 1) & (SLOTS - 1);
    }
  }
}

function mixA(hash: number, value: number): number {
  return Math.imul(hash ^ value, 0x01000193);
}

function mixB(hash: number, value: number): number {
  return Math.imul(((hash << 5) | (hash >>> 27)) ^ value, 0x27220a95);
}

function lowBits(a: number, b: number): number {
  let low = a ^ Math.imul(b, 0x85ebca6b);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b);
  low = Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  return low ^ (low >>> 16);
}

/** 20 of them. */
function highBits(a: number, b: number): number {
  let high = b ^ Math.imul(a, 0x9e3779b1);
  high = Math.imul(high ^ (high >>> 15), 0x2c1b3c6d);
  return (high ^ (high >>> 14)) >>> 12;
}
