/**
 * Phrases sought in a text, all in one pass: words are compared, not what stands between them. Knows no phrase itself.
 */

/** Longer phrases are sentences, which nobody writes twice the same. */
export const MAX_PHRASE_WORDS = 8;
const MAX_CHARACTERS = 40_000;
const BEGINNINGS = 16_384;

export interface PhraseRule {
  readonly name: string;
  /** Different phrases that have to be found. */
  readonly needs: number;
  readonly phrases: readonly string[];
}

interface Phrase {
  readonly words: readonly string[];
  /** Index of its rule. */
  readonly rule: number;
}

export class PhraseBook {
  readonly #rules: readonly PhraseRule[];
  readonly #byFirstWord = new Map<string, Phrase[]>();
  /** Whether a phrase starts with a word like that, which most words are not. */
  readonly #beginnings = new Uint8Array(BEGINNINGS);

  constructor(rules: readonly PhraseRule[]) {
    this.#rules = rules;
    for (const [rule, { phrases }] of rules.entries()) {
      for (const phrase of phrases) {
        const words = wordsOf(phrase);
        if (words.length === 0) continue;
        const others = this.#byFirstWord.get(words[0]) ?? [];
        this.#byFirstWord.set(words[0], [...others, { words, rule }]);
        this.#beginnings[beginning(words[0], 0, words[0].length)] = 1;
      }
    }
  }

  /** The rules whose phrases are in the text, each with the phrases found. */
  findIn(text: string): ReadonlyMap<string, readonly string[]> {
    const lower = text.slice(0, MAX_CHARACTERS).toLowerCase();
    const found = new Map<Phrase, string>();
    const beginnings = this.#beginnings;
    let start = -1;
    for (let at = 0; at <= lower.length; at++) {
      const isInWord = at < lower.length && isWordCode(lower.charCodeAt(at));
      if (isInWord) {
        if (start < 0) start = at;
        continue;
      }
      if (start < 0) continue;
      if (beginnings[beginning(lower, start, at)] === 1) {
        this.#findAt(lower, { start, end: at }, found);
      }
      start = -1;
    }
    return this.#byRule(found);
  }

  #findAt(
    text: string,
    first: { readonly start: number; readonly end: number },
    found: Map<Phrase, string>,
  ): void {
    const phrases = this.#byFirstWord.get(text.slice(first.start, first.end));
    if (phrases === undefined) return;
    for (const phrase of phrases) {
      if (!found.has(phrase) && continues(text, first.end, phrase.words)) {
        found.set(phrase, phrase.words.join(" "));
      }
    }
  }

  #byRule(found: ReadonlyMap<Phrase, string>): ReadonlyMap<string, readonly string[]> {
    const byRule = new Map<string, readonly string[]>();
    if (found.size === 0) return byRule;
    for (const [rule, { name, needs }] of this.#rules.entries()) {
      const phrases = [...found].filter(([phrase]) => phrase.rule === rule)
        .map(([, words]) => words);
      if (phrases.length >= needs) byRule.set(name, phrases);
    }
    return byRule;
  }
}

/** In lower case, as they are compared. */
export function wordsOf(phrase: string): readonly string[] {
  const lower = phrase.toLowerCase();
  const words: string[] = [];
  for (let at = nextWord(lower, 0); at < lower.length;) {
    const end = wordEnd(lower, at);
    words.push(lower.slice(at, end));
    at = nextWord(lower, end);
  }
  return words;
}

/** Whether the words behind a phrase's first one follow. */
function continues(text: string, firstEnd: number, words: readonly string[]): boolean {
  let end = firstEnd;
  for (let index = 1; index < words.length; index++) {
    const at = nextWord(text, end);
    // Another paragraph, or a long row of marks, ends what was said.
    if (at - end > 8) return false;
    end = wordEnd(text, at);
    if (end - at !== words[index].length || !text.startsWith(words[index], at)) return false;
  }
  return true;
}

function nextWord(text: string, from: number): number {
  let at = from;
  while (at < text.length && !isWordCode(text.charCodeAt(at))) at++;
  return at;
}

function wordEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && isWordCode(text.charCodeAt(at))) at++;
  return at;
}

/** By UTF-16 code unit: whether it belongs to a word. */
const WORD_CODES = Uint8Array.from({ length: 65_536 }, (_, code) => {
  if (code < 128) return /[a-z0-9$%]/.test(String.fromCharCode(code)) ? 1 : 0;
  return code >= 0xc0 && (code < 0x2000 || code > 0x206f) && code !== 0x3000 ? 1 : 0;
});

function isWordCode(code: number): boolean {
  return WORD_CODES[code] === 1;
}

/** By its first letters and its length. */
function beginning(text: string, start: number, end: number): number {
  let hash = Math.min(end - start, 64);
  for (let at = start; at < end && at < start + 4; at++) hash = hash * 31 + text.charCodeAt(at);
  return hash & (BEGINNINGS - 1);
}
