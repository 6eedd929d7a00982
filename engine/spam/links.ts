/**
 * The sites a message points to. Decides which host a link leads to, as a browser would: user information,
 * ports, backslashes, missing slashes and addresses in odd bases do not hide it. Follows nothing and looks
 * nothing up.
 */
import { isDomainName } from "../mail/domain.ts";
import type { Link } from "./message_content.ts";

export interface LinkBounds {
  readonly maxLinks: number;
  readonly maxUrlCharacters: number;
}

const MAX_SHOWN_CHARACTERS = 200;
/** Text that looks like a link and is none costs as much; so it is bounded as well. */
const TRIES_PER_LINK = 10;

/** The plain case, which needs no parser: no user information, no port, no escapes. */
const PLAIN = /^https?:\/\/([a-z0-9.-]{1,253})(?:[/?#]|$)/i;
/** Schemes that lead to a site, and none at all; browsers take any number of slashes of either kind. */
const ABSOLUTE = /^(?:(https?|ftp):|(?=[\\/]{2}))[\\/]{0,20}/i;
const IN_TEXT = /(?:https?:\/\/|www\.)[^\s<>"'`|\\^{}\u00a0\u2000-\u200f\u2028\u2029\u3000]+/gi;
const TRAILING = ".,;:!?)]}*_~'’”»…";
// deno-lint-ignore no-control-regex
const BLANK = /[\x00-\x20\u00a0-\uffff]/;
/** What a browser takes out of a URL. */
// deno-lint-ignore no-control-regex
const IGNORED = /^[\x00-\x20]+|[\t\r\n]+/g;

/**
 * The host a URL leads to, in A-labels and lower case, or an IPv4 or IPv6 address as text; `null` when it
 * leads to no site with a name of at least two labels.
 */
export function hostOf(url: string): string | null {
  const plain = PLAIN.exec(url);
  if (plain !== null) {
    const host = plain[1].toLowerCase();
    // The parser knows which A-labels are any, and which numbers are addresses.
    if (!host.includes("xn--") && hasLetterLabel(host) && isDomainName(host)) return host;
  }
  const absolute = ABSOLUTE.exec(url);
  if (absolute === null) return null;
  const parsed = URL.parse(`http://${url.slice(absolute[0].length)}`);
  if (parsed === null) return null;
  const host = parsed.hostname;
  if (host.startsWith("[")) return host.slice(1, -1);
  const name = host.endsWith(".") ? host.slice(0, -1) : host;
  return name.includes(".") && isDomainName(name) ? name : null;
}

/** Gathers links, each once; beyond its bounds it only says that there were more. */
export class LinkCollector {
  readonly #bounds: LinkBounds;
  readonly #links: Link[] = [];
  /** Where the first of a URL stands. */
  readonly #byUrl = new Map<string, number>();
  /** Further ones, which show other text: URL and text. */
  readonly #others = new Set<string>();
  #tries = 0;
  #isCut = false;

  constructor(bounds: LinkBounds) {
    this.#bounds = bounds;
  }

  get links(): readonly Link[] {
    return this.#links;
  }

  get isCut(): boolean {
    return this.#isCut;
  }

  /** @param shown what stands in its place, `null` when nothing can. */
  add(written: string, shown: string | null) {
    const { maxLinks, maxUrlCharacters } = this.#bounds;
    const cut = written.length > maxUrlCharacters ? written.slice(0, maxUrlCharacters) : written;
    const bare = BLANK.test(cut) ? cut.replace(IGNORED, "").trim() : cut;
    if (bare === "") return;
    const text = shown?.trim().slice(0, MAX_SHOWN_CHARACTERS).toWellFormed() ?? null;
    const url = bare.toWellFormed();
    const known = this.#byUrl.get(url);
    const hasText = text !== null && text !== "";
    if (known !== undefined) {
      if (!hasText || this.#links[known].shown === text) return;
      if (!this.#links[known].shown) {
        this.#links[known] = { ...this.#links[known], shown: text };
        return;
      }
      if (this.#others.has(`${url}\n${text}`)) return;
    }
    if (this.#links.length >= maxLinks || ++this.#tries > maxLinks * TRIES_PER_LINK) {
      this.#isCut = true;
      return;
    }
    const host = hostOf(url);
    if (host === null) return;
    if (known === undefined) this.#byUrl.set(url, this.#links.length);
    else this.#others.add(`${url}\n${text}`);
    this.#links.push({ url, host, shown: text });
  }

  /** Adds what a mail program makes a link of in text. */
  addFromText(text: string) {
    for (const [match] of text.matchAll(IN_TEXT)) {
      if (this.#isCut) return;
      const url = withoutTrailing(match.slice(0, this.#bounds.maxUrlCharacters));
      this.add(/^www\./i.test(url) ? `http://${url}` : url, null);
    }
  }
}

/** Whether there are two labels and the last one starts with a letter, so that it is no number. */
function hasLetterLabel(host: string): boolean {
  const dot = host.lastIndexOf(".");
  return dot > 0 && host.charCodeAt(dot + 1) >= 0x61;
}

/** Punctuation behind a URL belongs to the sentence. */
function withoutTrailing(url: string): string {
  let end = url.length;
  while (end > 0 && TRAILING.includes(url[end - 1])) end--;
  return url.slice(0, end);
}
