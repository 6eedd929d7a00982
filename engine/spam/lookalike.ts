/**
 * Names that pass for others: what a name looks like to a person (UTS 39 calls it its skeleton, of which this knows
 * the letters that matter in names of domains), and whether a domain looks like one that is watched over. Knows no
 * list of names.
 */
import { getDomain, getDomainWithoutSuffix } from "tldts";
import { displayDomain } from "../mail/domain.ts";

/** The domain someone registered, `example.co.uk` of `www.example.co.uk`; the name itself where there is none. */
export function siteOf(host: string): string {
  return getDomain(host, SUFFIXES) ?? host;
}

/** What someone chose of a domain's name: `example` of `www.example.co.uk`. */
export function siteLabel(host: string): string {
  return getDomainWithoutSuffix(host, SUFFIXES) ?? host;
}

/** Places where anybody gets a name count as suffixes. */
const SUFFIXES = { allowPrivateDomains: true, validateHostname: false, detectIp: false } as const;

/** Letters of Cyrillic, Greek, Armenian and others that most fonts draw as the Latin ones. */
const DOUBLES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    a: "аαɑ",
    b: "ьЬ",
    c: "сϲ",
    d: "ԁɗ",
    e: "еєҽ",
    g: "ɡց",
    h: "һհ",
    i: "іιɩıⅰ",
    j: "јϳ",
    k: "кκ",
    l: "ӏⅼ|",
    m: "мⅿ",
    n: "ոпη",
    o: "оοσօ",
    p: "рρ",
    q: "ԛգ",
    r: "гɾ",
    s: "ѕʂ",
    t: "тτ",
    u: "υսц",
    v: "ѵν",
    w: "ԝшωա",
    x: "хχ",
    y: "уүγ",
    z: "ᴢ",
  }).flatMap(([latin, doubles]) => [...doubles].map((double) => [double, latin] as const)),
);

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/** Names that look the same have the same skeleton. */
export function skeletonOf(name: string): string {
  let plain = name.toLowerCase();
  if (!ASCII.test(plain)) {
    plain = plain.normalize("NFKD").replace(/\p{M}/gu, "");
    plain = Array.from(plain, (letter) => DOUBLES.get(letter) ?? letter).join("");
  }
  return plain.replace(/[01i5]/g, (digit) => digit === "0" ? "o" : digit === "5" ? "s" : "l")
    .replaceAll("rn", "m").replaceAll("vv", "w");
}

/** Shorter names are a letter away from too many others. */
const MIN_LABEL = 6;
const MAX_LABEL = 63;
/** Of two names a letter apart, or with two changed over, one end this long is the same. */
const END = 2;

/** Honest names are a letter apart, too. */
const ONE_LETTER_OFF = 0.5;

export interface Lookalike {
  /** The one watched over. */
  readonly domain: string;
  /** 1 when it looks the same, less when a letter is more, less or other. */
  readonly likeness: number;
}

/** Domains watched over, found by what looks like them. */
export class NameWatch {
  readonly #names: ReadonlySet<string>;
  readonly #labels = new Set<string>();
  /** By skeleton, and by skeletons that lack a letter. */
  readonly #bySkeleton = new Map<string, string>();
  readonly #byDeletion = new Map<string, string>();
  /** First and last letters of the skeletons in both. */
  readonly #ends = new Set<string>();

  /** @param domains as `normalizeDomain` gives them. */
  constructor(domains: Iterable<string>) {
    this.#names = new Set(domains);
    for (const name of this.#names) {
      const site = siteOf(name);
      const label = displayDomain(siteLabel(site));
      this.#labels.add(label);
      const skeleton = skeletonOf(label);
      this.#bySkeleton.set(skeleton, site);
      if (label.length < MIN_LABEL) continue;
      for (const shorter of deletions(skeleton)) this.#byDeletion.set(shorter, site);
      this.#ends.add(skeleton.slice(0, END)).add(`.${skeleton.slice(-END)}`);
    }
  }

  /** Whether a domain is one of those, or below one. */
  has(domain: string): boolean {
    for (let at = 0; this.#names.size > 0;) {
      if (this.#names.has(domain.slice(at))) return true;
      const dot = domain.indexOf(".", at);
      if (dot < 0) break;
      at = dot + 1;
    }
    return false;
  }

  /**
   * The domain watched over that this one could be taken for; else `null`.
   *
   * @param site as `siteOf` gives it.
   */
  lookalikeOf(site: string): Lookalike | null {
    if (this.#labels.size === 0) return null;
    const dot = site.indexOf(".");
    const label = displayDomain(dot < 0 ? site : site.slice(0, dot));
    // Itself; and the same name under another suffix is as often its owner's.
    if (label.length > MAX_LABEL || this.#labels.has(label)) return null;
    const skeleton = skeletonOf(label);
    const same = this.#bySkeleton.get(skeleton);
    if (same !== undefined && skeleton.length > 3) return { domain: same, likeness: 1 };
    const isNear = this.#ends.has(skeleton.slice(0, END)) ||
      this.#ends.has(`.${skeleton.slice(-END)}`);
    const near = label.length >= MIN_LABEL && isNear ? this.#oneLetterOff(skeleton) : null;
    return near === null ? null : { domain: near, likeness: ONE_LETTER_OFF };
  }

  #oneLetterOff(skeleton: string): string | null {
    const longer = this.#byDeletion.get(skeleton);
    if (longer !== undefined) return longer;
    for (const shorter of deletions(skeleton)) {
      const near = this.#bySkeleton.get(shorter);
      if (near !== undefined && shorter.length >= MIN_LABEL) return near;
      const other = this.#byDeletion.get(shorter);
      if (other === undefined) continue;
      const watched = skeletonOf(displayDomain(siteLabel(other)));
      if (isOneLetterOff(skeleton, watched)) return other;
    }
    return null;
  }
}

function* deletions(text: string): Generator<string> {
  for (let at = 0; at < text.length; at++) yield text.slice(0, at) + text.slice(at + 1);
}

/** One letter another, or two neighbours changed over. */
function isOneLetterOff(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  if (a.slice(at + 1) === b.slice(at + 1)) return true;
  return a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2);
}

const LATIN = 1;
const CYRILLIC = 2;
const GREEK = 4;

/** Whether a word has letters of scripts that nobody mixes within a word. */
export function mixesScripts(word: string): boolean {
  let scripts = 0;
  for (let at = 0; at < word.length; at++) {
    scripts |= scriptOf(word.charCodeAt(at));
    if ((scripts & (scripts - 1)) !== 0) return true;
  }
  return false;
}

/** A bit for each script; 0 for what belongs to none of those that look alike. */
export function scriptOf(code: number): number {
  if (code < 0x80) return (code | 32) >= 97 && (code | 32) <= 122 ? LATIN : 0;
  if (code >= 0xc0 && code <= 0x24f && code !== 0xd7 && code !== 0xf7) return LATIN;
  if (code >= 0x400 && code <= 0x52f) return CYRILLIC;
  return code >= 0x386 && code <= 0x3ff ? GREEK : 0;
}
