/**
 * Lists of `tag=value` as DKIM, ARC and DMARC write them (RFC 6376 §3.2). Reads strictly, for what is signed must
 * not be read in two ways; which tags there are is known elsewhere.
 */

export interface Tag {
  /** Without white space around it; folds within it stand as they are. */
  readonly value: string;
  /** Where in the text the value stands, white space around it included. */
  readonly start: number;
  readonly end: number;
}

export type TagList = ReadonlyMap<string, Tag>;

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
const MAX_TAGS = 100;
const SPACE = /[\t\n\r ]/;
const BLANK = /^[\t\n\r ]*$/;

/** The tags by name, case and all; `null` when the text is no such list, or has a tag twice. */
export function parseTagList(text: string): TagList | null {
  const tags = new Map<string, Tag>();
  for (let start = 0; start <= text.length;) {
    const semicolon = text.indexOf(";", start);
    const end = semicolon < 0 ? text.length : semicolon;
    const equals = text.indexOf("=", start);
    if (equals < 0 || equals >= end) {
      // A semicolon may end the list.
      return semicolon < 0 && tags.size > 0 && BLANK.test(text.slice(start)) ? tags : null;
    }
    const name = text.slice(start, equals).trim();
    if (!NAME.test(name) || tags.has(name) || tags.size >= MAX_TAGS) return null;
    tags.set(name, { value: text.slice(equals + 1, end).trim(), start: equals + 1, end });
    start = end + 1;
  }
  return tags;
}

/** A value without the white space in it, as base64 and lists of names are read. */
export function withoutSpace(value: string): string {
  return SPACE.test(value) ? value.replace(/[\t\n\r ]+/g, "") : value;
}
