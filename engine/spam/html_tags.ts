/**
 * Tags and attributes of HTML as a browser's tokenizer finds them (WHATWG HTML §13.2.5): where one ends,
 * what an unfinished one swallows. Each octet is looked at once. Knows no elements' meaning.
 */
import { elementAt, type HtmlElement, nameKey } from "./html_element.ts";
import { decodeReferences } from "./html_references.ts";

const NOT_FOUND = -1;
/** Further attributes of a tag are skipped. */
const MAX_ATTRIBUTES = 64;

const NAMES = [
  ...["style", "color", "bgcolor", "background", "hidden", "text", "href", "src", "action"],
  ...["formaction", "data", "http-equiv", "content"],
] as const;
export type AttributeName = typeof NAMES[number];
/** The attributes that matter, the first of several counting; references resolved. */
export type Attributes = { readonly [Name in AttributeName]: string | null };

export interface StartTag {
  readonly element: HtmlElement;
  /** `null` when it has none that matters. */
  readonly attributes: Attributes | null;
  /** Behind it; `null` when it never ends, so that all the rest is lost in it. */
  readonly end: number | null;
}

const SHORT: ReadonlyMap<number, AttributeName> = new Map(
  NAMES.map((name) => [nameKey(name, 0, name.length), name] as const).filter(([key]) => key >= 0),
);
const LONG: ReadonlyMap<string, AttributeName> = new Map(
  NAMES.filter((name) => name.length > 5).map((name) => [name, name]),
);
const LONGEST_NAME = Math.max(...NAMES.map((name) => name.length));

/** Reads the start tag whose `<` stands at `at`, a letter behind it. */
export function readStartTag(html: string, at: number): StartTag {
  let end = at + 1;
  while (!isNameEnd(html.charCodeAt(end))) end++;
  const element = elementAt(html, at + 1, end);
  if (html.charCodeAt(end) === GREATER) return { element, attributes: null, end: end + 1 };
  let attributes: { [Name in AttributeName]: string | null } | null = null;
  for (let count = 0;; count++) {
    while (isSpace(html.charCodeAt(end)) || html.charCodeAt(end) === SLASH) end++;
    if (end >= html.length) return { element, attributes: null, end: null };
    if (html.charCodeAt(end) === GREATER) return { element, attributes, end: end + 1 };
    const nameStart = end++;
    while (!isAttributeNameEnd(html.charCodeAt(end))) end++;
    const nameEnd = end;
    while (isSpace(html.charCodeAt(end))) end++;
    let valueStart = end;
    let valueEnd = end;
    if (html.charCodeAt(end) === EQUALS) {
      end++;
      while (isSpace(html.charCodeAt(end))) end++;
      const quote = html.charCodeAt(end);
      if (quote === DOUBLE_QUOTE || quote === SINGLE_QUOTE) {
        valueStart = end + 1;
        valueEnd = html.indexOf(quote === DOUBLE_QUOTE ? '"' : "'", valueStart);
        if (valueEnd === NOT_FOUND) return { element, attributes: null, end: null };
        end = valueEnd + 1;
      } else {
        valueStart = end;
        while (!isValueEnd(html.charCodeAt(end))) end++;
        valueEnd = end;
      }
    }
    if (count >= MAX_ATTRIBUTES) continue;
    const name = attributeAt(html, nameStart, nameEnd);
    if (name === undefined) continue;
    attributes ??= noAttributes();
    attributes[name] ??= decodeReferences(html.slice(valueStart, valueEnd), "attribute");
  }
}

function noAttributes(): { [Name in AttributeName]: string | null } {
  return {
    style: null,
    color: null,
    bgcolor: null,
    background: null,
    hidden: null,
    text: null,
    href: null,
    src: null,
    action: null,
    formaction: null,
    data: null,
    "http-equiv": null,
    content: null,
  };
}

/** The end tag whose `</` stands at `at`, a letter behind it. */
export function readEndTag(
  html: string,
  at: number,
): { readonly element: HtmlElement; /** As of a start tag. */ readonly end: number | null } {
  let end = at + 2;
  while (!isNameEnd(html.charCodeAt(end))) end++;
  const element = elementAt(html, at + 2, end);
  const close = html.indexOf(">", end);
  return { element, end: close === NOT_FOUND ? null : close + 1 };
}

/** Behind the comment, doctype or instruction that starts at `at`; everything when it never ends. */
export function afterComment(html: string, at: number): number {
  if (!html.startsWith("<!--", at)) return behind(html, ">", at);
  if (html.startsWith(">", at + 4)) return at + 5;
  if (html.startsWith("->", at + 4)) return at + 6;
  // Where `--!>` comes first it is an end as well.
  for (let from = at + 4;;) {
    const dashes = html.indexOf("--", from);
    if (dashes === NOT_FOUND) return html.length;
    const next = html.charCodeAt(dashes + 2);
    if (next === GREATER) return dashes + 3;
    if (next === EXCLAMATION && html.charCodeAt(dashes + 3) === GREATER) return dashes + 4;
    from = dashes + 1;
  }
}

/** Where the end tag of an element starts that holds nothing but text, a script, say. */
export function rawTextEnd(html: string, from: number, name: string): number {
  for (let at = html.indexOf("</", from); at !== NOT_FOUND; at = html.indexOf("</", at + 2)) {
    const end = at + 2 + name.length;
    if (isNameEnd(html.charCodeAt(end)) && html.slice(at + 2, end).toLowerCase() === name) {
      return at;
    }
  }
  return html.length;
}

function behind(html: string, text: string, from: number): number {
  const at = html.indexOf(text, from);
  return at === NOT_FOUND ? html.length : at + text.length;
}

function attributeAt(html: string, start: number, end: number): AttributeName | undefined {
  const length = end - start;
  if (length <= 5) return SHORT.get(nameKey(html, start, end));
  return length > LONGEST_NAME ? undefined : LONG.get(html.slice(start, end).toLowerCase());
}

const SLASH = 0x2f;
const EQUALS = 0x3d;
const GREATER = 0x3e;
const EXCLAMATION = 0x21;
const DOUBLE_QUOTE = 0x22;
const SINGLE_QUOTE = 0x27;

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d && code !== 0x0b);
}

/** The end of the text, where the code is no number, ends everything. */
function isNameEnd(code: number): boolean {
  return code === GREATER || code === SLASH || isSpace(code) || code !== code;
}

function isAttributeNameEnd(code: number): boolean {
  return code === EQUALS || isNameEnd(code);
}

function isValueEnd(code: number): boolean {
  return code === GREATER || isSpace(code) || code !== code;
}
