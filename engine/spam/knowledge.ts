/** What signals know of the world, as data of the rules' file: who owns which names, and what names are cheap. */
import { NameWatch, siteLabel, siteOf } from "./lookalike.ts";

export interface Knowledge {
  readonly brands: Brands;
  /** Domains where anybody gets an address at once. */
  readonly freeMail: ReadonlySet<string>;
  readonly shorteners: ReadonlySet<string>;
  /** Sites below which anybody puts a page. */
  readonly freeHosting: ReadonlySet<string>;
  /** Top-level domains that are mostly used for spam. */
  readonly poorTopLevels: ReadonlySet<string>;
}

const MAX_BRAND_WORDS = 3;

/** Names that are worth pretending to be, and the domains of those they belong to. */
export class Brands {
  readonly watch: NameWatch;
  readonly #domains = new Map<string, ReadonlySet<string>>();

  /** @param brands by name, in lower case; the domains each writes from. */
  constructor(brands: ReadonlyMap<string, readonly string[]>) {
    for (const [name, domains] of brands) this.#domains.set(name, new Set(domains));
    this.watch = new NameWatch([...brands.values()].flat());
  }

  /** The brand that stands in words for people, if the domain is not its own. */
  namedIn(text: string, domain: string): string | null {
    const words = text.toLowerCase().split(/[^\p{L}\p{N}]+/u, 24);
    for (let at = 0; at < words.length; at++) {
      for (let end = at + 1; end <= Math.min(at + MAX_BRAND_WORDS, words.length); end++) {
        const brand = this.#foreign(words.slice(at, end).join(" "), domain);
        if (brand !== null) return brand;
      }
    }
    return null;
  }

  /** The brand a host's name contains as a word of its own, if the host is not the brand's. */
  namedInHost(host: string): string | null {
    for (const word of host.split(/[.-]/, 24)) {
      const brand = word.length < 5 ? null : this.#foreign(word, host);
      if (brand !== null) return brand;
    }
    return null;
  }

  #foreign(name: string, domain: string): string | null {
    const domains = this.#domains.get(name);
    if (domains === undefined || domains.has(siteOf(domain))) return null;
    // Brands own their name under more suffixes than anybody lists.
    return siteLabel(domain) === name.replaceAll(" ", "") ? null : name;
  }
}
