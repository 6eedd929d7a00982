/**
 * The addresses a From, Sender or similar field names (RFC 5322 §3.4, RFC 6532 §3.2). Reads strictly: a
 * field that two programs could read in two ways is a fault, for whoever is checked by one reading must
 * not be shown by the other. So obsolete routes, empty list elements, unquoted specials, and whatever looks
 * like an address inside a comment or a quoted local part are faults, while plain comments, groups and dots
 * in display names, which all read alike, are taken.
 */
import { Buffer } from "node:buffer";
import { displayDomain, normalizeDomainOrLiteral } from "./domain.ts";

export interface NamedAddress {
  /** Without quotes and backslashes. */
  readonly localPart: string;
  /** As `normalizeDomainOrLiteral` gives it. */
  readonly domain: string;
  /** Unquoted, encoded words left as they are; empty when there is none. */
  readonly displayName: string;
}

export type AddressList =
  | { readonly kind: "addresses"; readonly addresses: readonly NamedAddress[] }
  | { readonly kind: "fault" };

/** Longer fields are faults; the longest honest ones are lists of recipients, which this is not for. */
const MAX_FIELD_OCTETS = 65_536;
const MAX_COMMENT_DEPTH = 16;

// deno-lint-ignore no-control-regex
const ATOM = /[^\x00-\x20\x7f-\x9f()<>[\]:;@\\,."]+/y;
// deno-lint-ignore no-control-regex
const QUOTED = /"((?:[^\x00-\x08\x0a-\x1f\x7f-\x9f"\\]|\\[\t\x20-\x7e])*)"/y;
// deno-lint-ignore no-control-regex
const LITERAL = /\[[^\x00-\x20\x7f-\x9f[\]\\]*\]/y;
const SPACE = /[ \t]+/y;
/** What a careless reader takes for the address, or for the start of the next one. */
const MISLEADING = /["(),:;<>@[\\\]]/;
const MISLEADING_IN_COMMENT = /["<>@]/;
// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Reads a field's value as it stands behind the colon, folded or not, in octets. */
export function parseAddressList(value: Uint8Array): AddressList {
  if (value.length > MAX_FIELD_OCTETS) return { kind: "fault" };
  const octets = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    return { kind: "fault" };
  }
  // RFC 5322 §2.2.3: unfolding removes the line end and keeps the white space behind it.
  const addresses = new Reader(text.replace(/\r\n(?=[ \t])/g, "")).list();
  return addresses === null ? { kind: "fault" } : { kind: "addresses", addresses };
}

/** One word of a phrase, or a dot within it. */
interface Word {
  readonly text: string;
  readonly kind: "atom" | "quoted" | "dot";
  /** White space or a comment stands before it. */
  readonly isApart: boolean;
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** `null`: a fault. */
  list(): NamedAddress[] | null {
    const addresses: NamedAddress[] = [];
    do {
      const named = this.#element();
      if (named === null) return null;
      addresses.push(...named);
    } while (this.#take(","));
    return this.#skip() !== null && this.#at === this.#text.length ? addresses : null;
  }

  /** A mailbox, or a group with all it holds. */
  #element(): NamedAddress[] | null {
    const words = this.#words();
    if (words === null) return null;
    if (this.#take(":")) return words.length === 0 ? null : this.#group();
    const mailbox = this.#mailbox(words);
    return mailbox === null ? null : [mailbox];
  }

  #group(): NamedAddress[] | null {
    const members: NamedAddress[] = [];
    if (this.#take(";")) return members;
    do {
      const words = this.#words();
      const member = words === null ? null : this.#mailbox(words);
      if (member === null) return null;
      members.push(member);
    } while (this.#take(","));
    return this.#take(";") ? members : null;
  }

  #mailbox(words: readonly Word[]): NamedAddress | null {
    if (!this.#take("<")) return this.#address(words, "");
    const within = this.#words();
    if (within === null) return null;
    const address = this.#address(within, phraseOf(words));
    return address !== null && this.#take(">") ? address : null;
  }

  /** Words that are a local part, and the domain behind them. */
  #address(words: readonly Word[], displayName: string): NamedAddress | null {
    const localPart = localPartOf(words);
    if (localPart === null || !this.#take("@") || this.#skip() === null) return null;
    const literal = this.#match(LITERAL);
    const domainText = literal?.[0] ?? this.#domainText();
    const domain = domainText === null ? null : domainOf(domainText);
    return domain === null ? null : { localPart, domain, displayName };
  }

  #domainText(): string | null {
    const words = this.#words();
    if (words === null || words.some(({ kind }) => kind === "quoted")) return null;
    return isJoined(words) ? words.map(({ text }) => text).join("") : null;
  }

  /** Atoms, quoted strings and dots up to anything else. */
  #words(): Word[] | null {
    const words: Word[] = [];
    for (;;) {
      const skipped = this.#skip();
      if (skipped === null) return null;
      const isApart = skipped > 0;
      const atom = this.#match(ATOM);
      const quoted = atom === null ? this.#match(QUOTED) : null;
      if (atom !== null) words.push({ text: atom[0], kind: "atom", isApart });
      else if (quoted !== null) {
        words.push({ text: quoted[1].replace(/\\(.)/g, "$1"), kind: "quoted", isApart });
      } else if (this.#text[this.#at] === ".") {
        this.#at++;
        words.push({ text: ".", kind: "dot", isApart });
      } else return words;
    }
  }

  /** Passes white space and comments; answers how many characters, `null` for a fault. */
  #skip(): number | null {
    const start = this.#at;
    for (;;) {
      if (this.#match(SPACE) !== null) continue;
      if (this.#text[this.#at] !== "(") return this.#at - start;
      if (!this.#skipComment()) return null;
    }
  }

  #skipComment(): boolean {
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      let character = this.#text[this.#at];
      const isEscaped = character === "\\";
      if (isEscaped) character = this.#text[++this.#at] ?? "\0";
      const code = character.charCodeAt(0);
      if ((code < 32 && character !== "\t") || (code >= 127 && code < 160)) return false;
      if (MISLEADING_IN_COMMENT.test(character)) return false;
      if (isEscaped) continue;
      if (character === "(" && ++depth > MAX_COMMENT_DEPTH) return false;
      if (character === ")" && --depth === 0) {
        this.#at++;
        return true;
      }
    }
    return false;
  }

  #take(special: string): boolean {
    if (this.#skip() === null || this.#text[this.#at] !== special) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }
}

/** RFC 5322 §3.4.1: a dot-atom, or one quoted string. */
function localPartOf(words: readonly Word[]): string | null {
  const isQuoted = words.length === 1 && words[0].kind === "quoted";
  if (!isQuoted && (words.some(({ kind }) => kind === "quoted") || !isJoined(words))) return null;
  const localPart = words.map(({ text }) => text).join("");
  // RFC 2047 §5: no encoded word in an address; programs that decode one there read another address.
  return MISLEADING.test(localPart) || localPart.includes("=?") ? null : localPart;
}

function domainOf(text: string): string | null {
  const domain = normalizeDomainOrLiteral(text);
  if (domain === null || ASCII.test(text)) return domain;
  // A U-label is what its A-label stands for (RFC 5890 §2.3.2.1); whatever had to be mapped or left out to
  // get there, invisible characters for one, is read differently elsewhere.
  return displayDomain(domain) === text.normalize("NFC").toLowerCase() ? domain : null;
}

/** The words as they stood, with one space for whatever stood between two of them. */
function phraseOf(words: readonly Word[]): string {
  return words.map(({ text, isApart }, index) => index > 0 && isApart ? ` ${text}` : text).join("");
}

/** Whether atoms and dots alternate with nothing between them: white space there is obsolete. */
function isJoined(words: readonly Word[]): boolean {
  return words.length % 2 === 1 &&
    words.every(({ kind, isApart }, index) =>
      (index % 2 === 0) === (kind === "atom") && (index === 0 || !isApart)
    );
}
