/**
 * Reputations as a worker uses them: read from the store once a minute for each subject, and recorded every few
 * seconds in one batch, so that the judgement of a message normally waits for no query. What is not recorded yet
 * when the process dies is lost; while the store is away, what was read last goes on to count. Both are bounded.
 */
import type { ReputationChange, ReputationStore, StoredReputation } from "../store/reputations.ts";
import type { Reputation } from "./facts.ts";
import { faded, isWellKnown, REPUTATION_HALF_LIFE_MS } from "./reputation.ts";

export interface SenderReputationsOptions {
  readonly store: ReputationStore;
  /** Unix ms. */
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
  /** How long what was read is taken for true. */
  readonly maxAgeMs?: number;
  readonly flushMs?: number;
  /** Subjects remembered, and subjects waiting to be recorded. */
  readonly capacity?: number;
}

const MAX_AGE_MS = 60_000;
const FLUSH_MS = 3_000;
const CAPACITY = 20_000;
/** So long a store that failed is not asked again. */
const RETRY_MS = 5_000;
/** Subjects of one question or one batch. */
const MAX_BATCH = 1_000;

interface Entry {
  ham: number;
  spam: number;
  updatedAtMs: number;
  readonly freshUntilMs: number;
}

interface Counts {
  ham: number;
  spam: number;
}

export class SenderReputations implements AsyncDisposable {
  readonly #options: Required<SenderReputationsOptions>;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  #unrecorded = new Map<string, Counts>();
  /** Subjects to ask for, and who waits for them. */
  #wanted = new Set<string>();
  #asking: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #flushing: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #askAgainAtMs = -Infinity;

  constructor(options: SenderReputationsOptions) {
    this.#options = {
      maxAgeMs: MAX_AGE_MS,
      flushMs: FLUSH_MS,
      capacity: CAPACITY,
      ...options,
    };
  }

  /** In the order of `subjects`; nothing known counts as nothing. Never rejects. */
  async reputationsOf(subjects: readonly string[]): Promise<readonly Reputation[]> {
    const nowMs = this.#options.now();
    const missing = subjects.filter((subject) => !this.#isFresh(subject, nowMs));
    if (missing.length > 0 && nowMs >= this.#askAgainAtMs) await this.#ask(missing);
    return subjects.map((subject) => this.#reputation(subject));
  }

  /** Whether a sender delivered good mail before, and hardly any other. Never rejects. */
  async isKnownSender(subject: string): Promise<boolean> {
    const [reputation] = await this.reputationsOf([subject]);
    return isWellKnown(reputation);
  }

  /** Remembers how a message of these senders was judged. */
  record(subjects: readonly string[], label: "ham" | "spam"): void {
    const nowMs = this.#options.now();
    for (const subject of subjects) {
      const entry = this.#entries.get(subject);
      if (entry !== undefined) {
        fade(entry, nowMs);
        entry[label]++;
      }
      let counts = this.#unrecorded.get(subject);
      if (counts === undefined) {
        // The store is slow or away: what is lost changes little.
        if (this.#unrecorded.size >= this.#options.capacity) continue;
        this.#unrecorded.set(subject, counts = { ham: 0, spam: 0 });
      }
      counts[label]++;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.flush();
    }, this.#options.flushMs);
  }

  /** Records what waits; resolves when it was tried. */
  flush(): Promise<void> {
    return this.#flushing ??= this.#flush().finally(() => this.#flushing = null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#flushing;
    await this.flush();
  }

  async #flush(): Promise<void> {
    const { store, now, onError } = this.#options;
    const batch = this.#unrecorded;
    this.#unrecorded = new Map();
    const changes = Array.from(batch, ([subject, counts]) => ({ subject, ...counts }));
    for (let at = 0; at < changes.length; at += MAX_BATCH) {
      try {
        await store.add(changes.slice(at, at + MAX_BATCH), {
          atMs: now(),
          halfLifeMs: REPUTATION_HALF_LIFE_MS,
        });
      } catch (error) {
        this.#putBack(changes.slice(at));
        return onError(error);
      }
    }
  }

  #putBack(changes: readonly ReputationChange[]): void {
    for (const { subject, ham, spam } of changes) {
      const counts = this.#unrecorded.get(subject);
      if (counts !== undefined) {
        counts.ham += ham;
        counts.spam += spam;
      } else if (this.#unrecorded.size < this.#options.capacity) {
        this.#unrecorded.set(subject, { ham, spam });
      }
    }
  }

  /** One question at a time: what comes up meanwhile is asked together in the next one. */
  #ask(subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) this.#wanted.add(subject);
    if (this.#asking === null) return this.#asking = this.#askNow();
    return this.#next ??= this.#asking.then(() => this.#asking = this.#askNow());
  }

  async #askNow(): Promise<void> {
    const { store, now, onError } = this.#options;
    this.#next = null;
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    try {
      for (let at = 0; at < wanted.length; at += MAX_BATCH) {
        const asked = wanted.slice(at, at + MAX_BATCH);
        this.#keep(asked, await store.read(asked));
      }
    } catch (error) {
      this.#askAgainAtMs = now() + RETRY_MS;
      onError(error);
    } finally {
      if (this.#next === null) this.#asking = null;
    }
  }

  #keep(asked: readonly string[], found: readonly StoredReputation[]): void {
    const { now, maxAgeMs, capacity } = this.#options;
    const nowMs = now();
    const bySubject = new Map(found.map((reputation) => [reputation.subject, reputation]));
    for (const subject of asked) {
      const { ham, spam, updatedAtMs } = bySubject.get(subject) ??
        { ham: 0, spam: 0, updatedAtMs: nowMs };
      const entry = { ham, spam, updatedAtMs, freshUntilMs: nowMs + maxAgeMs };
      fade(entry, nowMs);
      // What the store does not know of yet.
      const counts = this.#unrecorded.get(subject);
      entry.ham += counts?.ham ?? 0;
      entry.spam += counts?.spam ?? 0;
      this.#entries.delete(subject);
      this.#entries.set(subject, entry);
    }
    for (const subject of this.#entries.keys()) {
      if (this.#entries.size <= capacity) break;
      this.#entries.delete(subject);
    }
  }

  #isFresh(subject: string, nowMs: number): boolean {
    const entry = this.#entries.get(subject);
    if (entry === undefined) return false;
    if (nowMs >= entry.freshUntilMs) return false;
    this.#entries.delete(subject);
    this.#entries.set(subject, entry);
    return true;
  }

  #reputation(subject: string): Reputation {
    const entry = this.#entries.get(subject);
    if (entry === undefined) return { subject, ham: 0, spam: 0 };
    const ageMs = this.#options.now() - entry.updatedAtMs;
    return { subject, ham: faded(entry.ham, ageMs), spam: faded(entry.spam, ageMs) };
  }
}

function fade(entry: Entry, nowMs: number): void {
  const ageMs = nowMs - entry.updatedAtMs;
  entry.ham = faded(entry.ham, ageMs);
  entry.spam = faded(entry.spam, ageMs);
  entry.updatedAtMs = Math.max(entry.updatedAtMs, nowMs);
}
