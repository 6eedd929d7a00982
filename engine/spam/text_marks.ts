/** How a text is written, counted in one pass: case, exclamation, gaps, scripts. Knows no word. */
import { scriptOf } from "./lookalike.ts";

export interface TextMarks {
  readonly letters: number;
  readonly capitals: number;
  readonly exclamations: number;
  /** Exclamation marks right behind another. */
  readonly doubled: number;
  /** Words with letters of scripts that look alike. */
  readonly mixedWords: number;
  /** Letters that stand alone, one after another, from the fifth on. */
  readonly spacedLetters: number;
  readonly words: number;
}

const SCRIPTS = 0b0_0111;
const LETTER = 0b0_1000;
const CAPITAL = 0b1_0000;
const EXCLAMATION = 33;
const SPACE = 32;
const SPACED_OUT = 5;

/** By UTF-16 code unit: what it is, and a bit for its script. */
const MARKS = Uint8Array.from({ length: 65_536 }, (_, code) => {
  const script = scriptOf(code);
  if (script === 0 && !isOtherLetter(code)) return 0;
  const isCapital = (code >= 65 && code <= 90) || (code >= 0xc0 && code <= 0xde) ||
    (code >= 0x391 && code <= 0x3a9) || (code >= 0x400 && code <= 0x42f);
  return script | LETTER | (isCapital ? CAPITAL : 0);
});

function isOtherLetter(code: number): boolean {
  const isIn = (first: number, last: number) => code >= first && code <= last;
  return code > 0x24f && !isIn(0x2000, 0x2bff) && !isIn(0x3000, 0x303f) && !isIn(0xd800, 0xdfff) &&
    !isIn(0xfe00, 0xff0f);
}

export function textMarks(text: string, maxCharacters: number): TextMarks {
  let letters = 0;
  let capitals = 0;
  let exclamations = 0;
  let doubled = 0;
  let mixedWords = 0;
  let spacedLetters = 0;
  let words = 0;
  let wordLetters = 0;
  let scripts = 0;
  let alone = 0;
  const end = Math.min(text.length, maxCharacters);
  for (let at = 0; at <= end; at++) {
    const code = at < end ? text.charCodeAt(at) : SPACE;
    const marks = MARKS[code];
    if (marks !== 0) {
      wordLetters++;
      scripts |= marks;
      if ((marks & CAPITAL) !== 0) capitals++;
      continue;
    }
    if (code === EXCLAMATION) {
      exclamations++;
      if (text.charCodeAt(at - 1) === EXCLAMATION) doubled++;
    }
    if (wordLetters === 0) continue;
    words++;
    letters += wordLetters;
    if (isMixed(scripts & SCRIPTS)) mixedWords++;
    alone = wordLetters === 1 ? alone + 1 : 0;
    if (alone === SPACED_OUT) spacedLetters += SPACED_OUT;
    else if (alone > SPACED_OUT) spacedLetters++;
    wordLetters = scripts = 0;
  }
  return { letters, capitals, exclamations, doubled, mixedWords, spacedLetters, words };
}

/** More than one bit. */
function isMixed(scripts: number): boolean {
  return (scripts & (scripts - 1)) !== 0;
}
