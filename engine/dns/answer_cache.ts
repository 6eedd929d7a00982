/**
 * Remembers answers for their time to live. Bounded by count, what was long not used out first; what
 * would be large is not kept, so the count bounds memory too.
 *
 * Two generations and not one map in order of use: taking a key out of a large `Map` and putting it
 * back leaves a hole in its hash chain, which made a lookup of a busy name cost 20 µs.
 */
import type { DnsAnswer } from "./resolver.ts";

/** RFC 8767 §4 allows days; an hour is what a mail server waits for a changed MX at the most. */
const MAX_TTL_S = 3600;
/** Longest a failure is remembered: spares a broken zone's servers, outlives no retry (RFC 2308 §7). */
const TEMPFAIL_TTL_S = 2;
/** Wire octets above which an answer is not worth its memory. */
const MAX_ANSWER_OCTETS = 8192;

interface Entry {
  readonly answer: DnsAnswer<unknown>;
  readonly expiresAtMs: number;
}

export class AnswerCache {
  readonly #maxGeneration: number;
  #young = new Map<string, Entry>();
  /** What was young before; whatever of it is asked for moves over. */
  #old = new Map<string, Entry>();

  constructor(options: { readonly maxEntries: number }) {
    this.#maxGeneration = Math.max(1, Math.floor(options.maxEntries / 2));
  }

  /** Entries held, expired ones included. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The answer with the TTL that is left of it, or `null`. */
  get(key: string, nowMs: number): DnsAnswer<unknown> | null {
    let entry = this.#young.get(key);
    if (entry === undefined) {
      entry = this.#old.get(key);
      if (entry === undefined || entry.expiresAtMs <= nowMs) return null;
      this.#keep(key, entry);
    }
    if (entry.expiresAtMs <= nowMs) return null;
    const { answer } = entry;
    if (answer.kind !== "found") return answer;
    return { ...answer, ttlS: Math.ceil((entry.expiresAtMs - nowMs) / 1000) };
  }

  /** Keeps an answer for `ttlS`, or for less; a failure has its own time. */
  put(
    key: string,
    fresh: {
      readonly answer: DnsAnswer<unknown>;
      readonly ttlS: number;
      readonly octets: number;
      readonly nowMs: number;
    },
  ): void {
    const { answer, octets, nowMs } = fresh;
    const ttlS = answer.kind === "tempfail" ? TEMPFAIL_TTL_S : Math.min(fresh.ttlS, MAX_TTL_S);
    if (ttlS > 0 && octets <= MAX_ANSWER_OCTETS) {
      this.#keep(key, { answer, expiresAtMs: nowMs + ttlS * 1000 });
    } else {
      this.#young.delete(key);
      this.#old.delete(key);
    }
  }

  #keep(key: string, entry: Entry): void {
    if (this.#young.size >= this.#maxGeneration && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, entry);
  }
}
