/**
 * The name a part gives its file, as a mail program shows it: RFC 2231 and, though RFC 2047 §5 forbids it
 * there, encoded words. Keeps what deceives a reader, such as a change of writing direction, for whoever
 * judges it; takes out what no program shows.
 */
import { decodeCharset } from "./charset.ts";
import { decodeWords } from "./encoded_words.ts";

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x1f\x7f-\x9f]+/g;
/** RFC 2231 §3; more of them are left out. */
const MAX_SECTIONS = 100;

/** Parameters of a content field by name in lower case, one character an octet. */
export type ContentParameters = ReadonlyMap<string, string>;

/**
 * The value of a parameter in any of its three forms; `null` when it is not there. Where several are, the
 * one with a charset counts, then the one in sections (RFC 2231 §3 and §4).
 */
export function parameterText(parameters: ContentParameters, name: string): string | null {
  const extended = parameters.get(`${name}*`);
  if (extended !== undefined) return decodeExtended([{ text: extended, isExtended: true }]);
  const sections = sectionsOf(parameters, name);
  if (sections.length > 0) return decodeExtended(sections);
  const plain = parameters.get(name);
  return plain === undefined ? null : decodeWords(fromOctets(plain));
}

/** Cut in the middle, for the end says what kind of file it is. */
export function boundFileName(name: string, maxCharacters: number): string {
  // What is far beyond the bound is not looked at.
  const ends = name.length <= 4 * maxCharacters
    ? name
    : name.slice(0, 2 * maxCharacters) + name.slice(-2 * maxCharacters);
  const shown = ends.replace(CONTROLS, " ").trim();
  if (shown.length <= maxCharacters) return shown.toWellFormed();
  const tail = maxCharacters >> 1;
  const head = maxCharacters - tail - 1;
  return `${shown.slice(0, head)}…${shown.slice(shown.length - tail)}`.toWellFormed();
}

interface Section {
  readonly text: string;
  readonly isExtended: boolean;
}

function sectionsOf(parameters: ContentParameters, name: string): Section[] {
  const sections: Section[] = [];
  while (sections.length < MAX_SECTIONS) {
    const key = `${name}*${sections.length}`;
    const plain = parameters.get(key);
    const text = plain ?? parameters.get(`${key}*`);
    if (text === undefined) break;
    sections.push({ text, isExtended: plain === undefined });
  }
  return sections;
}

function decodeExtended(sections: readonly Section[]): string {
  let charset: string | null = null;
  const octets: number[] = [];
  sections.forEach(({ text, isExtended }, index) => {
    let rest = text;
    if (isExtended && index === 0) {
      // charset'language'text; some leave the beginning out.
      const quote = text.indexOf("'");
      const second = quote < 0 ? -1 : text.indexOf("'", quote + 1);
      if (second >= 0) {
        charset = text.slice(0, quote);
        rest = text.slice(second + 1);
      }
    }
    if (isExtended) pushPercentDecoded(octets, rest);
    else for (let at = 0; at < rest.length; at++) octets.push(rest.charCodeAt(at));
  });
  const text = decodeCharset(Uint8Array.from(octets), { charset }).text;
  return sections.some(({ isExtended }) => isExtended) ? text : decodeWords(text);
}

function pushPercentDecoded(octets: number[], text: string) {
  for (let at = 0; at < text.length; at++) {
    const hex = text[at] === "%" ? text.slice(at + 1, at + 3) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      octets.push(parseInt(hex, 16));
      at += 2;
    } else {
      octets.push(text.charCodeAt(at));
    }
  }
}

/** Text that stands in a header in octets of no known charset. */
function fromOctets(latin1: string): string {
  if (ASCII.test(latin1)) return latin1;
  const octets = Uint8Array.from(latin1, (character) => character.charCodeAt(0));
  return decodeCharset(octets, { charset: null }).text;
}
