/**
 * What signals weigh, as data: reads and checks the rules' file. A signal without a rule has no say; a rule of
 * phrases needs no code. Does no I/O.
 */
import { Brands, type Knowledge } from "./knowledge.ts";
import { MAX_PHRASE_WORDS, PhraseBook, type PhraseRule, wordsOf } from "./phrases.ts";
import { SIGNALS } from "./signal_names.ts";

export interface Rule {
  readonly name: string;
  /** An aspect of `signal_names.ts`, or `phrases`. */
  readonly looksAt: string;
  /** Against a message where positive; multiplied with what a signal says of its own strength. */
  readonly points: number;
  /** One sentence for people: what was found. */
  readonly text: string;
  /** One sentence: why it weighs what it does. */
  readonly weight: string;
}

export interface Rules {
  readonly byName: ReadonlyMap<string, Rule>;
  readonly phrases: PhraseBook;
  readonly knowledge: Knowledge;
}

export type ParsedRules =
  | { readonly kind: "rules"; readonly rules: Rules }
  /** A line each, for whoever wrote the file. */
  | { readonly kind: "mistakes"; readonly mistakes: readonly string[] };

const MAX_MISTAKES = 20;
const MAX_POINTS = 1_000;
const MAX_SENTENCE = 200;
const MAX_PHRASES = 2_000;
const NAME = /^[A-Z][A-Z0-9_]{1,39}$/;
const WORD_LISTS = ["freeMail", "shorteners", "freeHosting", "poorTopLevels"] as const;

const ASPECTS: ReadonlyMap<string, string> = new Map(
  Object.entries(SIGNALS).flatMap(([aspect, names]) =>
    names.map((name) => [name, aspect] as const)
  ),
);

export function parseRules(text: string): ParsedRules {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    return { kind: "mistakes", mistakes: [`no JSON: ${(error as Error).message}`] };
  }
  const reader = new RulesReader();
  const rules = reader.read(file);
  const { mistakes } = reader;
  return mistakes.length === 0
    ? { kind: "rules", rules }
    : { kind: "mistakes", mistakes: mistakes.slice(0, MAX_MISTAKES) };
}

type Fields = Readonly<Record<string, unknown>>;

class RulesReader {
  readonly mistakes: string[] = [];
  readonly #byName = new Map<string, Rule>();
  readonly #phraseRules: PhraseRule[] = [];

  read(file: unknown): Rules {
    const { rules, brands, ...lists } = this.#fields(file, "the file");
    if (!Array.isArray(rules)) this.mistakes.push('"rules" has to be a list');
    else for (const rule of rules) this.#rule(rule);
    const allPhrases = this.#phraseRules.reduce((sum, { phrases }) => sum + phrases.length, 0);
    if (allPhrases > MAX_PHRASES) this.mistakes.push(`more than ${MAX_PHRASES} phrases`);
    for (const key of Object.keys(lists)) {
      if (!(WORD_LISTS as readonly string[]).includes(key)) {
        this.mistakes.push(`"${key}" is not known`);
      }
    }
    const [freeMail, shorteners, freeHosting, poorTopLevels] = WORD_LISTS.map((name) =>
      new Set(this.#words(lists[name], name))
    );
    const named = Object.entries(this.#fields(brands ?? {}, '"brands"'))
      .map(([name, domains]) => [name.toLowerCase(), this.#words(domains, name)] as const);
    return {
      byName: this.#byName,
      phrases: new PhraseBook(this.#phraseRules),
      knowledge: {
        brands: new Brands(new Map(named)),
        ...{ freeMail, shorteners, freeHosting, poorTopLevels },
      },
    };
  }

  #rule(value: unknown): void {
    const fields = this.#fields(value, "a rule");
    const name = typeof fields.name === "string" ? fields.name : "";
    if (!NAME.test(name)) {
      this.mistakes.push(
        `a rule's name is in capitals, not ${JSON.stringify(fields.name)}`.slice(0, 200),
      );
      return;
    }
    const say = (mistake: string) => this.mistakes.push(`${name}: ${mistake}`);
    if (this.#byName.has(name)) say("stands there twice");
    const { looksAt, points, text, weight } = fields;
    const aspect = ASPECTS.get(name);
    if (aspect === undefined && looksAt !== "phrases") say("no such signal");
    else if (looksAt !== (aspect ?? "phrases")) say(`looks at ${aspect}`);
    if (typeof points !== "number" || !(Math.abs(points) <= MAX_POINTS)) {
      say(`"points" is a number from -${MAX_POINTS} to ${MAX_POINTS}`);
    }
    for (const [key, sentence] of Object.entries({ text, weight })) {
      if (typeof sentence !== "string" || sentence.length === 0 || sentence.length > MAX_SENTENCE) {
        say(`"${key}" is a sentence of at most ${MAX_SENTENCE} characters`);
      }
    }
    if (aspect === undefined) this.#phrases(name, fields, say);
    const known = ["name", "looksAt", "points", "text", "weight", "needs", "phrases"];
    for (const key of Object.keys(fields)) if (!known.includes(key)) say(`"${key}" is not known`);
    this.#byName.set(name, {
      name,
      looksAt: String(looksAt),
      points: Number(points),
      text: String(text),
      weight: String(weight),
    });
  }

  #phrases(name: string, fields: Fields, say: (mistake: string) => void): void {
    const needs = fields.needs ?? 1;
    const phrases = this.#words(fields.phrases, name);
    if (
      !Number.isInteger(needs) || Number(needs) < 1 || Number(needs) > Math.max(1, phrases.length)
    ) {
      say('"needs" is how many of the phrases have to be found');
    }
    for (const phrase of phrases) {
      const words = wordsOf(phrase).length;
      if (words < 1 || words > MAX_PHRASE_WORDS) say(`"${phrase}" has no words, or too many`);
    }
    this.#phraseRules.push({ name, needs: Number(needs), phrases });
  }

  #fields(value: unknown, what: string): Fields {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Fields;
    }
    this.mistakes.push(`${what} has to be an object`);
    return {};
  }

  #words(value: unknown, what: string): readonly string[] {
    if (value === undefined) return [];
    if (Array.isArray(value) && value.every((word) => typeof word === "string" && word !== "")) {
      return value;
    }
    this.mistakes.push(`${what}: has to be a list of texts`);
    return [];
  }
}
