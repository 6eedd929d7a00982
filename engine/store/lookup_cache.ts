/**
 * Answers remembered while the directory has not changed. Positive and negative answers have room of
 * their own, so that a guesser of names cannot push out the mailboxes that do exist.
 */
import type { DirectoryAnswer } from "../routing/route.ts";

export class LookupCache {
  readonly #found = new Map<string, DirectoryAnswer>();
  readonly #missing = new Map<string, DirectoryAnswer>();
  readonly #capacity: number;

  /** @param capacity answers of either sort. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): DirectoryAnswer | undefined {
    const answers = this.#found.has(key) ? this.#found : this.#missing;
    const answer = answers.get(key);
    if (answer === undefined) return undefined;
    // To the end: the oldest to be used is the first to go.
    answers.delete(key);
    answers.set(key, answer);
    return answer;
  }

  set(key: string, answer: DirectoryAnswer): void {
    const answers = answer.kind === "mailbox" ? this.#found : this.#missing;
    answers.set(key, answer);
    if (answers.size <= this.#capacity) return;
    const [oldest] = answers.keys();
    answers.delete(oldest);
  }

  clear(): void {
    this.#found.clear();
    this.#missing.clear();
  }
}
