/**
 * What was learnt of good and of bad mail: how many messages each token was in, by scope. Tokens are 52-bit
 * integers and scopes names; what they stand for is not known here.
 */

export type MailLabel = "ham" | "spam";

/** A message to learn from. */
export interface Lesson {
  /** 32 hexadecimal digits in lower case: names the message wherever it is met. */
  readonly fingerprint: string;
  readonly label: MailLabel;
  /** Where it counts; each once. */
  readonly scopes: readonly string[];
  /** Each once. */
  readonly tokens: Float64Array;
}

/**
 * `learned`: new in one of the scopes at least; `moved`: it had counted for the other label; `known`: nothing
 * changed.
 */
export type LessonOutcome = "learned" | "moved" | "known";

export interface LearnedScope {
  /** Empty: everyone's. */
  readonly scope: string;
  readonly messages: { readonly ham: number; readonly spam: number };
  /** Another one after every change of the scope's counts. */
  readonly version: string;
  /** `null` where nothing was learnt yet. */
  readonly learnedAtMs: number | null;
}

/** Counts of tokens, column by column. */
export interface TokenCounts {
  /** Ascending. */
  readonly tokens: Float64Array;
  readonly ham: Uint32Array;
  readonly spam: Uint32Array;
}

export interface TokenPageOptions {
  /** 0 begins. */
  readonly after: number;
  /** Only tokens that were in so many messages. */
  readonly minMessages: number;
  readonly limit: number;
}

/** What `tidy` lets go of; ages by the last change. */
export interface TidyOptions {
  readonly nowMs: number;
  /** Tokens of one message or none. */
  readonly rareTokensMs: number;
  /** All others. */
  readonly tokensMs: number;
  /** Fingerprints: the message then counts once more when it is learnt again. */
  readonly fingerprintsMs: number;
}

export interface SpamMemory {
  /**
   * Learns each message once in each scope, however often it is told; told the other label, it counts for that
   * one from then on. Answers in the order of `lessons`. Many lessons are several transactions: after a failure
   * the same lessons may be told again. @throws {StoreUnavailableError}
   */
  learn(lessons: readonly Lesson[]): Promise<readonly LessonOutcome[]>;
  /** Takes back what was learnt; answers how many of the messages had been. @throws {StoreUnavailableError} */
  forget(lessons: readonly Omit<Lesson, "label">[]): Promise<number>;
  /** Takes back everything learnt in a scope. @throws {StoreUnavailableError} */
  clear(scope: string): Promise<void>;
  /** By name, everyone's first. @throws {StoreUnavailableError} */
  scopes(): Promise<readonly LearnedScope[]>;
  /** How many tokens a scope has; takes time in proportion. @throws {StoreUnavailableError} */
  tokenCount(scope: string): Promise<number>;
  /** A page of a scope's tokens in ascending order; the last one is empty. @throws {StoreUnavailableError} */
  page(scope: string, options: TokenPageOptions): Promise<TokenCounts>;
  /** Those of the tokens that the scope knows. @param tokens each once. @throws {StoreUnavailableError} */
  countsOf(scope: string, tokens: Float64Array): Promise<TokenCounts>;
  /**
   * Walks through everything, some thousand rows at a time with a rest in between, and forgets what has not been
   * met for long; answers how many rows. Ends early by the signal. @throws {StoreUnavailableError}
   */
  tidy(options: TidyOptions & { readonly signal: AbortSignal }): Promise<number>;
}
