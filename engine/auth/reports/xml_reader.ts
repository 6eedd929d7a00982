/**
 * Reads XML as strangers write it in reports (XML 1.0): elements and their text, a bounded piece at a time,
 * in linear time. Attributes, comments and instructions are passed over and prefixes of names dropped; a
 * document type is a fault, so that there are no entities but the five everybody knows and numbers. End tags
 * close whatever is open inside of what they end, which forgives what real reports forget to close.
 */

export interface XmlElement {
  /** Without its prefix. */
  readonly name: string;
  /** Its own text, that of its children left out. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

export type XmlToken =
  | { readonly kind: "open" | "close"; readonly name: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "fault"; readonly fault: string };

const MAX_TAG_CHARACTERS = 4_096;
const MAX_TEXT_CHARACTERS = 65_536;
const MAX_DEPTH = 32;
/** Elements in one that is read as a whole. */
const MAX_ELEMENTS = 2_000;

const TAG_NAME = /^[A-Za-z_][\w.:-]{0,99}/;

export class XmlReader {
  readonly #text: string;
  #at = 0;
  /** The end of an element that opened and closed in one tag. */
  #pending: XmlToken | null = null;

  constructor(text: string) {
    this.#text = text;
  }

  /** Characters read so far. */
  get position(): number {
    return this.#at;
  }

  /** `null` at the end, and behind a fault. */
  next(): XmlToken | null {
    const text = this.#text;
    if (this.#pending !== null) {
      const token = this.#pending;
      this.#pending = null;
      return token;
    }
    while (this.#at < text.length) {
      if (text[this.#at] !== "<") return this.#characters();
      if (text.startsWith("<![CDATA[", this.#at)) return this.#cdata();
      if (text.startsWith("<!--", this.#at)) {
        if (!this.#skipBehind("-->", 4)) return this.#fault("a comment has no end");
      } else if (text.startsWith("<?", this.#at)) {
        if (!this.#skipBehind("?>", 2)) return this.#fault("an instruction has no end");
      } else if (text.startsWith("<!", this.#at)) {
        return this.#fault("it has a document type");
      } else {
        return this.#tag();
      }
    }
    return null;
  }

  /**
   * The rest of the element that was opened last, its end included; `null` when it has no end or too much
   * in it.
   */
  element(name: string): XmlElement | null {
    interface Open {
      readonly name: string;
      text: string;
      readonly children: XmlElement[];
    }
    const root: Open = { name, text: "", children: [] };
    const open: Open[] = [root];
    for (let elements = 1;;) {
      const token = this.next();
      if (token === null || token.kind === "fault") return null;
      const innermost = open[open.length - 1];
      if (token.kind === "text") {
        const room = MAX_TEXT_CHARACTERS - innermost.text.length;
        if (room > 0) innermost.text += token.text.slice(0, room);
      } else if (token.kind === "open") {
        if (++elements > MAX_ELEMENTS || open.length >= MAX_DEPTH) return null;
        const child: Open = { name: token.name, text: "", children: [] };
        innermost.children.push(child);
        open.push(child);
      } else {
        const from = open.findLastIndex((each) => each.name === token.name);
        if (from === 0) return root;
        // An end of nothing that is open here.
        if (from > 0) open.length = from;
      }
    }
  }

  #characters(): XmlToken {
    const end = this.#text.indexOf("<", this.#at);
    const piece = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at += piece.length;
    return { kind: "text", text: withoutReferences(piece.slice(0, MAX_TEXT_CHARACTERS)) };
  }

  #cdata(): XmlToken {
    const start = this.#at + "<![CDATA[".length;
    if (!this.#skipBehind("]]>", 9)) return this.#fault("a CDATA section has no end");
    return { kind: "text", text: this.#text.slice(start, this.#at - 3) };
  }

  #tag(): XmlToken {
    const text = this.#text;
    const isEnd = text[this.#at + 1] === "/";
    const start = this.#at + (isEnd ? 2 : 1);
    const end = tagEnd(text, start);
    if (end < 0) return this.#fault("a tag has no end");
    const inner = text.slice(start, end);
    const match = TAG_NAME.exec(inner);
    if (match === null) return this.#fault("a tag has no name");
    const name = match[0].slice(match[0].lastIndexOf(":") + 1);
    this.#at = end + 1;
    if (isEnd) return { kind: "close", name };
    if (inner.endsWith("/")) this.#pending = { kind: "close", name };
    return { kind: "open", name };
  }

  #skipBehind(mark: string, offset: number): boolean {
    const found = this.#text.indexOf(mark, this.#at + offset);
    if (found >= 0) this.#at = found + mark.length;
    return found >= 0;
  }

  #fault(fault: string): XmlToken {
    this.#at = this.#text.length;
    return { kind: "fault", fault };
  }
}

/** Where the tag's `>` stands, quoted ones passed over; -1 when it has none within the bound. */
function tagEnd(text: string, start: number): number {
  const limit = Math.min(text.length, start + MAX_TAG_CHARACTERS);
  let quote = "";
  for (let at = start; at < limit; at++) {
    const character = text[at];
    if (quote !== "") {
      if (character === quote) quote = "";
    } else if (character === ">") return at;
    else if (character === "<") return -1;
    else if (character === '"' || character === "'") quote = character;
  }
  return -1;
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

/** References that mean nothing stay as they are. */
function withoutReferences(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(#\d{1,7}|#x[0-9A-Fa-f]{1,6}|[a-z]{2,4});/g, (whole, name: string) => {
    if (name[0] !== "#") return ENTITIES[name] ?? whole;
    const code = name[1] === "x" ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** The first child of that name; `null` when there is none. */
export function childOf(element: XmlElement | null, name: string): XmlElement | null {
  return element?.children.find((child) => child.name === name) ?? null;
}

export function childrenOf(element: XmlElement | null, name: string): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** The text of the first child of that name, `null` when there is none. */
export function textOf(element: XmlElement | null, name: string): string | null {
  return childOf(element, name)?.text ?? null;
}
