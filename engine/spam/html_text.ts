/**
 * HTML as its reader sees it: text without what is hidden, the links, and marks of what else it does.
 * Follows what browsers do with broken HTML closely enough that neither a comment nor a quote hides from
 * us what it does not hide from a reader. Runs nothing, fetches nothing, and of style sheets only
 * knows that they change backgrounds.
 */
import type { HtmlElement } from "./html_element.ts";
import { decodeReferences } from "./html_references.ts";
import { type Declared, parseColor, parseStyle } from "./html_style.ts";
import {
  afterComment,
  type Attributes,
  rawTextEnd,
  readEndTag,
  readStartTag,
  type StartTag,
} from "./html_tags.ts";
import { withoutInvisible } from "./invisible_characters.ts";
import type { LinkCollector } from "./links.ts";
import type { HtmlMarks } from "./message_content.ts";
import { OpenElements } from "./open_elements.ts";

export interface HtmlReading {
  readonly text: string;
  readonly marks: HtmlMarks;
}

/** Reads a whole HTML part; time grows with its length only. */
export function readHtml(html: string, links: LinkCollector): HtmlReading {
  return new HtmlReader(html, links).read();
}

/** Styles repeat; this many are remembered. */
const MAX_KNOWN_STYLES = 256;
const MAX_ANCHOR_CHARACTERS = 200;
const MAX_REFRESH_CHARACTERS = 4_000;
const BLANKS = /[ \t\r\n\f]+/g;
const MAYBE_LINK = /:\/\/|www\./i;
/** Of text that was put together from several pieces. */
const UNEVEN = /[ \u00a0]{2,}|[\n\u00a0]+/g;
/** Scripts that stand in a link. */
const SCRIPT_URL = /^\s{0,9}javascript:/i;

const TAB = 0x09;
const CR = 0x0d;
const SPACE = 0x20;
const EXCLAMATION = 0x21;
const AMPERSAND = 0x26;
const FULL_STOP = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const LESS = 0x3c;
const GREATER = 0x3e;
const QUESTION = 0x3f;
const LOWER_W = 0x77;
const SOFT_HYPHEN = 0xad;

class HtmlReader {
  readonly #html: string;
  readonly #links: LinkCollector;
  readonly #open = new OpenElements();
  readonly #styles = new Map<string, Declared>();
  readonly #shown: string[] = [];
  #isSpaced = true;
  #anchor: { readonly href: string; shown: string } | null = null;
  #images = 0;
  #remoteImages = 0;
  #forms = 0;
  #scripts = 0;
  #hiddenCharacters = 0;
  #shownCharacters = 0;
  #hasMetaRefresh = false;
  #hasBaseTag = false;
  #unfinished = 0;
  /** Whether there may be characters that take no room. */
  #mayVanish = false;

  constructor(html: string, links: LinkCollector) {
    this.#html = html;
    this.#links = links;
  }

  read(): HtmlReading {
    const html = this.#html;
    for (let at = 0; at < html.length;) {
      const tag = html.indexOf("<", at);
      if (tag !== at) this.#take(at, tag < 0 ? html.length : tag);
      if (tag < 0) break;
      at = this.#markup(tag);
    }
    this.#endAnchor();
    this.#open.closeAll();
    const joined = this.#shown.join("");
    const text = this.#mayVanish ? withoutInvisible(joined) : joined;
    const invisible = joined.length - text.length;
    return {
      text: text.trim(),
      marks: {
        images: this.#images,
        remoteImages: this.#remoteImages,
        forms: this.#forms,
        scripts: this.#scripts,
        hiddenCharacters: this.#hiddenCharacters + invisible,
        shownCharacters: Math.max(0, this.#shownCharacters - invisible),
        hasMetaRefresh: this.#hasMetaRefresh,
        hasBaseTag: this.#hasBaseTag,
        unclosedTags: this.#open.unclosed + this.#unfinished,
      },
    };
  }

  /** What starts with the `<` at `at`; returns where it ends. */
  #markup(at: number): number {
    const html = this.#html;
    const next = html.charCodeAt(at + 1);
    if (isLetter(next)) return this.#startTag(readStartTag(html, at));
    if (next === SLASH) {
      if (isLetter(html.charCodeAt(at + 2))) {
        const { element, end } = readEndTag(html, at);
        if (end === null) return this.#lost();
        this.#endTag(element);
        return end;
      }
      return html.charCodeAt(at + 2) === GREATER ? at + 3 : afterComment(html, at);
    }
    if (next === EXCLAMATION || next === QUESTION) {
      const end = afterComment(html, at);
      if (end === html.length && !html.endsWith(">")) return this.#lost();
      return end;
    }
    // No tag, so it is shown, with all of its kind behind it.
    let end = at + 1;
    while (html.charCodeAt(end) === LESS && html.charCodeAt(end + 1) === LESS) end++;
    this.#take(at, end);
    return end;
  }

  /** Something never ends: a browser drops all the rest with it. */
  #lost(): number {
    this.#unfinished++;
    return this.#html.length;
  }

  #startTag({ element, attributes, end }: StartTag): number {
    if (end === null) return this.#lost();
    if (element.separator !== null) this.#break(element.separator);
    if (element.name === "a") this.#endAnchor();
    if (attributes !== null) this.#readTargets(element, attributes);
    this.#mark(element, attributes);
    if (element.isUnshown) {
      const rawEnd = rawTextEnd(this.#html, end, element.name);
      if (rawEnd === this.#html.length) return this.#lost();
      // Without it, white text on a button coloured by its class would pass for hidden.
      if (element.name === "style" && this.#html.slice(end, rawEnd).includes("background")) {
        this.#open.forgetBackground();
      }
      return readEndTag(this.#html, rawEnd).end ?? this.#lost();
    }
    if (element.isVoid) return end;
    this.#open.open(element, this.#declared(element, attributes));
    return end;
  }

  #endTag(element: HtmlElement) {
    if (element.name === "a") this.#endAnchor();
    if (element.separator !== null) this.#break(element.separator);
    this.#open.close(element);
  }

  #mark({ name }: HtmlElement, attributes: Attributes | null) {
    switch (name) {
      case "img":
        this.#images++;
        if (isRemote(attributes?.src)) this.#remoteImages++;
        break;
      case "form":
        this.#forms++;
        break;
      case "script":
        this.#scripts++;
        break;
      case "base":
        if (typeof attributes?.href === "string") this.#hasBaseTag = true;
        break;
      case "meta":
        if (attributes?.["http-equiv"]?.trim().toLowerCase() === "refresh") {
          this.#hasMetaRefresh = true;
          this.#readRefresh(attributes.content ?? "");
        }
        break;
    }
  }

  /** Where it leads, or fetches from. */
  #readTargets({ name }: HtmlElement, attributes: Attributes) {
    const { href, src, action, formaction, background, data } = attributes;
    if (href !== null) {
      if (SCRIPT_URL.test(href)) this.#scripts++;
      if (name === "a") this.#anchor = { href, shown: "" };
      else this.#links.add(href, null);
    }
    if (src !== null) this.#links.add(src, null);
    if (action !== null) this.#links.add(action, null);
    if (formaction !== null) this.#links.add(formaction, null);
    if (data !== null) this.#links.add(data, null);
    if (background !== null) {
      this.#links.add(background, null);
      if (isRemote(background)) this.#remoteImages++;
    }
  }

  /** `0; url=https://…` */
  #readRefresh(content: string) {
    const text = content.slice(0, MAX_REFRESH_CHARACTERS);
    const match = /url[ \t]{0,9}=[ \t'"]{0,9}([^'"]+)/i.exec(text);
    if (match !== null) this.#links.add(match[1], null);
  }

  #declared({ name }: HtmlElement, attributes: Attributes | null): Declared | null {
    if (name === "template") return { isGone: true };
    if (attributes === null) return null;
    const { style, bgcolor, background, hidden } = attributes;
    const color = attributes.color ?? (name === "body" ? attributes.text : null);
    const styled = style === null ? null : this.#style(style);
    if (bgcolor === null && background === null && hidden === null && color === null) return styled;
    const declared: { -readonly [Key in keyof Declared]: Declared[Key] } = {};
    if (bgcolor !== null) declared.background = parseColor(bgcolor.trim().toLowerCase());
    if (background !== null) declared.background = null;
    const known = color === null ? null : parseColor(color.trim().toLowerCase());
    if (known !== null) declared.color = known;
    if (hidden !== null) declared.isGone = true;
    return Object.assign(declared, styled);
  }

  #style(style: string): Declared {
    let declared = this.#styles.get(style);
    if (declared === undefined) {
      declared = parseStyle(style);
      if (this.#styles.size < MAX_KNOWN_STYLES) this.#styles.set(style, declared);
    }
    return declared;
  }

  /** Takes in the text between two tags. */
  #take(from: number, to: number) {
    const html = this.#html;
    let inked = 0;
    let isBlank = false;
    let isRagged = false;
    let mayLink = false;
    let mayResolve = false;
    for (let at = from; at < to; at++) {
      const code = html.charCodeAt(at);
      if (code === SPACE || (code <= CR && code >= TAB)) {
        isRagged ||= isBlank || code !== SPACE;
        isBlank = true;
        continue;
      }
      inked++;
      isBlank = false;
      if (code === AMPERSAND) mayResolve = true;
      else if (code === COLON) mayLink ||= html.charCodeAt(at + 1) === SLASH;
      else if (code === FULL_STOP) mayLink ||= (html.charCodeAt(at - 1) | 0x20) === LOWER_W;
      else if (code >= SOFT_HYPHEN) this.#mayVanish = true;
    }
    if (inked === 0) return this.#break(" ");
    let text = html.slice(from, to);
    if (mayResolve) {
      this.#mayVanish = true;
      text = decodeReferences(text, "text");
      inked -= to - from - text.length;
    }
    if (this.#open.look.isHidden) {
      this.#hiddenCharacters += inked;
      return;
    }
    this.#shownCharacters += inked;
    if (isRagged) text = text.replace(BLANKS, " ");
    if (this.#anchor !== null) {
      const room = MAX_ANCHOR_CHARACTERS - this.#anchor.shown.length;
      if (room > 0) this.#anchor.shown += text.slice(0, room);
    } else if (mayLink || (mayResolve && MAYBE_LINK.test(text))) {
      this.#links.addFromText(text);
    }
    this.#shown.push(this.#isSpaced && text.startsWith(" ") ? text.slice(1) : text);
    this.#isSpaced = text.endsWith(" ");
  }

  #break(blank: " " | "\n") {
    if (this.#isSpaced && (blank === " " || this.#shown.at(-1)?.endsWith("\n"))) return;
    if (this.#shown.length > 0) this.#shown.push(blank);
    this.#isSpaced = true;
    if (this.#anchor !== null && this.#anchor.shown !== "") this.#anchor.shown += " ";
  }

  #endAnchor() {
    if (this.#anchor === null) return;
    const { href, shown } = this.#anchor;
    this.#anchor = null;
    const text = this.#mayVanish ? withoutInvisible(shown) : shown;
    this.#links.add(href, text.replace(UNEVEN, " "));
  }
}

function isLetter(code: number): boolean {
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/** Whether showing it asks a server. */
function isRemote(url: string | null | undefined): boolean {
  return typeof url === "string" && /^\s{0,9}(?:https?:|[\\/]{2})/i.test(url.slice(0, 20));
}
