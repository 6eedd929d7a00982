/**
 * How probable it is that a message is spam, by the words of the messages people and rules have judged before:
 * the combination of Robinson and Fisher. A scope is a domain of ours, or everyone (`GLOBAL_SCOPE`); a domain's own
 * counts refine everyone's. Pure: who keeps the counts is not known here.
 */

/** A token as it is counted: an integer from 1 to 2^52 - 1. */
export type TokenId = number;

/** Counts of everyone together; the scope of a domain is its name, as `normalizeDomain` gives it. */
export const GLOBAL_SCOPE = "";

export interface TrainedMessages {
  readonly ham: number;
  readonly spam: number;
}

/** What was learnt in one scope. */
export interface BayesCounts {
  readonly messages: TrainedMessages;
  /** Each token once, with the number of messages it was in; whole numbers below 2^32. */
  readonly tokens: Iterable<readonly [id: TokenId, ham: number, spam: number]>;
}

/** Plain data over shared memory: crosses to workers without a copy. */
export interface BayesSnapshot {
  readonly scopes: readonly ScopeSnapshot[];
}

export interface ScopeSnapshot {
  readonly scope: string;
  readonly messages: TrainedMessages;
  /** Open addressing: low and high half of an id, ham and spam, in one cache line; id 0 is a free slot. */
  readonly slots: Uint32Array<SharedArrayBuffer>;
}

export interface BayesProbability {
  /** 0: ham, 1: spam. */
  readonly probability: number;
  /** Tokens that had a say. */
  readonly evidence: number;
  /** Of the scope that has learnt more. */
  readonly messages: TrainedMessages;
}

export interface BayesOptions {
  /** Of each kind, before a scope has a say. */
  readonly minMessages: number;
}

export const DEFAULT_BAYES_OPTIONS: BayesOptions = { minMessages: 50 };

/**
 * Two opinions make one: that of the strongest tokens, which a long text about something else does not drown, and
 * that of all, which a few borrowed words do not buy.
 */
const STRONGEST = 20;
/**
 * Words of a message come together, so its evidence is worth less than as many independent facts: Robinson's
 * effective size factor.
 */
const EFFECTIVE_SIZE = 0.2;
/** Weight of the prior against a token's own counts: Robinson's s. */
const STRENGTH = 0.15;
/** What a token nobody has seen says: Robinson's x. */
const UNKNOWN = 0.5;
/** Tokens nearer to the middle have no say. */
const MIN_DEVIATION = 0.1;
/** How many messages of the domain weigh as much as what everyone's say about a token. */
const DOMAIN_STRENGTH = 1;
/** Slots looked at; what finds no place among them is not kept, so that nobody makes a lookup long. */
const MAX_PROBES = 64;
/** Slots for each token at the least. */
const ROOM = 1.6;
const SLOT_WORDS = 4;
const HIGH = 0x1_0000_0000;

/** Read by many, changed by none: new counts are a new model. */
export class BayesModel {
  readonly #scopes: ReadonlyMap<string, ScopeSnapshot>;
  readonly #options: BayesOptions;

  private constructor(scopes: readonly ScopeSnapshot[], options: BayesOptions) {
    this.#scopes = new Map(scopes.map((scope) => [scope.scope, scope]));
    this.#options = options;
  }

  /** @param scopes by name, `GLOBAL_SCOPE` among them. */
  static fromCounts(
    scopes: ReadonlyMap<string, BayesCounts>,
    options: BayesOptions = DEFAULT_BAYES_OPTIONS,
  ): BayesModel {
    const snapshots: ScopeSnapshot[] = [];
    for (const [scope, { messages, tokens }] of scopes) {
      const builder = new ScopeBuilder();
      for (const [id, ham, spam] of tokens) builder.add(id, ham, spam);
      snapshots.push(builder.build(scope, messages));
    }
    return new BayesModel(snapshots, options);
  }

  static fromSnapshot(
    snapshot: BayesSnapshot,
    options: BayesOptions = DEFAULT_BAYES_OPTIONS,
  ): BayesModel {
    return new BayesModel(snapshot.scopes, options);
  }

  get snapshot(): BayesSnapshot {
    return { scopes: [...this.#scopes.values()] };
  }

  /**
   * `null` while too little is trained.
   *
   * @param tokens of one message, each once.
   * @param domain whose mail it is; without one, or while it has learnt too little, everyone's counts decide.
   */
  probability(tokens: Float64Array, domain?: string): BayesProbability | null {
    const everyone = this.#trained(GLOBAL_SCOPE);
    const own = domain === undefined || domain === GLOBAL_SCOPE ? null : this.#trained(domain);
    if (everyone === null && own === null) return null;
    const evidence = new Evidence();
    for (let at = 0; at < tokens.length; at++) {
      const id = tokens[at];
      let probability = everyone === null ? UNKNOWN : opinion(everyone, id, UNKNOWN, STRENGTH);
      if (own !== null) probability = opinion(own, id, probability, DOMAIN_STRENGTH);
      if (Math.abs(probability - 0.5) >= MIN_DEVIATION) evidence.add(probability);
    }
    return {
      probability: evidence.probability,
      evidence: evidence.size,
      messages: more(own, everyone),
    };
  }

  #trained(scope: string): ScopeSnapshot | null {
    const counts = this.#scopes.get(scope);
    if (counts === undefined) return null;
    const { ham, spam } = counts.messages;
    return Math.min(ham, spam) >= this.#options.minMessages ? counts : null;
  }
}

function more(one: ScopeSnapshot | null, other: ScopeSnapshot | null): TrainedMessages {
  const [a, b] = [one, other].map((scope) => scope?.messages ?? { ham: 0, spam: 0 });
  return Math.min(a.ham, a.spam) > Math.min(b.ham, b.spam) ? a : b;
}

/** Takes a scope's counts as they come from wherever they are kept, a row after the other. */
export class ScopeBuilder {
  #slots: Uint32Array<SharedArrayBuffer>;
  #size = 0;

  /** @param expectedTokens spares growing; any number will do. */
  constructor(expectedTokens = 1_024) {
    this.#slots = freeSlots(2 ** Math.ceil(Math.log2(Math.max(expectedTokens * ROOM, 16))));
  }

  add(id: TokenId, ham: number, spam: number): void {
    if ((this.#size + 1) * ROOM > this.#slots.length / SLOT_WORDS) this.#grow();
    if (place(this.#slots, { id, ham, spam })) this.#size++;
  }

  /** The builder is spent afterwards. */
  build(scope: string, messages: TrainedMessages): ScopeSnapshot {
    return { scope, messages, slots: this.#slots };
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = freeSlots(2 * before.length / SLOT_WORDS);
    for (let at = 0; at < before.length; at += SLOT_WORDS) {
      const [low, high, ham, spam] = before.subarray(at, at + SLOT_WORDS);
      const id = high * HIGH + low;
      if (id !== 0) place(this.#slots, { id, ham, spam });
    }
  }
}

function freeSlots(count: number): Uint32Array<SharedArrayBuffer> {
  const octets = count * SLOT_WORDS * Uint32Array.BYTES_PER_ELEMENT;
  return new Uint32Array(new SharedArrayBuffer(octets));
}

/** False when there is no room near the token's place, or it has one already. */
function place(
  slots: Uint32Array,
  { id, ham, spam }: { readonly id: TokenId; readonly ham: number; readonly spam: number },
): boolean {
  const low = id >>> 0;
  const high = highOf(id);
  const mask = slots.length - 1;
  let at = firstSlot(low, mask);
  for (let probe = 0; probe < MAX_PROBES; probe++, at = (at + SLOT_WORDS) & mask) {
    const isNew = slots[at] === 0 && slots[at + 1] === 0;
    if (!isNew && (slots[at] !== low || slots[at + 1] !== high)) continue;
    slots[at] = low;
    slots[at + 1] = high;
    slots[at + 2] = ham;
    slots[at + 3] = spam;
    return isNew;
  }
  return false;
}

function highOf(id: TokenId): number {
  return (id - (id >>> 0)) / HIGH;
}

/** Where a token's slot begins: the low bits of an id are as good as any. */
function firstSlot(low: number, mask: number): number {
  return (low * SLOT_WORDS) & mask;
}

/** What a scope makes of a token, `prior` being what was thought before. */
function opinion(scope: ScopeSnapshot, id: TokenId, prior: number, strength: number): number {
  const { slots, messages } = scope;
  const low = id >>> 0;
  const high = highOf(id);
  const mask = slots.length - 1;
  let at = firstSlot(low, mask);
  for (let probe = 0; probe < MAX_PROBES; probe++, at = (at + SLOT_WORDS) & mask) {
    if (slots[at] !== low || slots[at + 1] !== high) {
      if (slots[at] === 0 && slots[at + 1] === 0) return prior;
      continue;
    }
    const ham = slots[at + 2];
    const spam = slots[at + 3];
    const hamShare = ham / messages.ham;
    const spamShare = spam / messages.spam;
    if (hamShare + spamShare === 0) return prior;
    const own = spamShare / (hamShare + spamShare);
    return (strength * prior + (ham + spam) * own) / (strength + ham + spam);
  }
  return prior;
}

/** What the tokens of one message say. */
class Evidence {
  readonly #all = new Opinions();
  /** The strongest so far, the strongest first. */
  readonly #strongest: number[] = [];

  get size(): number {
    return this.#all.size;
  }

  add(probability: number): void {
    this.#all.add(probability);
    const strongest = this.#strongest;
    const distance = Math.abs(probability - 0.5);
    let at = strongest.length;
    while (at > 0 && distance > Math.abs(strongest[at - 1] - 0.5)) at--;
    if (at === STRONGEST) return;
    strongest.splice(at, 0, probability);
    if (strongest.length > STRONGEST) strongest.pop();
  }

  get probability(): number {
    const few = new Opinions();
    for (const probability of this.#strongest) few.add(probability);
    return (few.combined + this.#all.combined) / 2;
  }
}

/** Products become sums of logarithms before they are too small for a number. */
const SMALL = 1e-200;

class Opinions {
  size = 0;
  #lnSpam = 0;
  #lnHam = 0;
  #spam = 1;
  #ham = 1;

  add(probability: number): void {
    this.size++;
    this.#spam *= 1 - probability;
    this.#ham *= probability;
    if (this.#spam > SMALL && this.#ham > SMALL) return;
    this.#lnSpam += Math.log(this.#spam);
    this.#lnHam += Math.log(this.#ham);
    this.#spam = this.#ham = 1;
  }

  /** Fisher's method on both sides: 1 when they speak for spam, 0 for ham, the middle when they disagree. */
  get combined(): number {
    if (this.size === 0) return 0.5;
    const pairs = Math.max(1, Math.round(EFFECTIVE_SIZE * this.size));
    const share = pairs / this.size;
    const lnSpam = (this.#lnSpam + Math.log(this.#spam)) * share;
    const lnHam = (this.#lnHam + Math.log(this.#ham)) * share;
    const spam = 1 - chiSquareTail(-lnSpam, pairs);
    const ham = 1 - chiSquareTail(-lnHam, pairs);
    return (1 + spam - ham) / 2;
  }
}

/** The probability that chi-square is above twice the value, with two degrees of freedom for each pair. */
function chiSquareTail(value: number, pairs: number): number {
  let term = Math.exp(-value);
  let sum = term;
  for (let n = 1; n < pairs; n++) {
    term *= value / n;
    sum += term;
  }
  return Math.min(sum, 1);
}
