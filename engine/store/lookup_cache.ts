/**
 * Answers remembered while what they were read from has not changed. What anyone can ask for by guessing
 * has room of its own, so that a guesser of names cannot push out the mailboxes that do exist.
 */

/** What an answer costs and where it belongs. */
export interface AnswerJudgement {
  /** Nobody has this very name: any number of such questions can be made up. */
  readonly isGuess: boolean;
  /** How many short texts it holds, its key included. */
  readonly weight: number;
}

export interface LookupCacheOptions<Value> {
  /** Weight of the answers of either sort. */
  readonly capacity: number;
  readonly judge: (value: Value) => AnswerJudgement;
}

export class LookupCache<Value> {
  readonly #named: Room<Value>;
  readonly #guessed: Room<Value>;
  readonly #judge: (value: Value) => AnswerJudgement;

  constructor(options: LookupCacheOptions<Value>) {
    this.#named = new Room(options.capacity);
    this.#guessed = new Room(options.capacity);
    this.#judge = options.judge;
  }

  get(key: string): { readonly value: Value } | undefined {
    return this.#named.get(key) ?? this.#guessed.get(key);
  }

  set(key: string, value: Value): void {
    const { isGuess, weight } = this.#judge(value);
    const [room, other] = isGuess ? [this.#guessed, this.#named] : [this.#named, this.#guessed];
    other.delete(key);
    room.set(key, { value, weight });
  }

  clear(): void {
    this.#named.clear();
    this.#guessed.clear();
  }
}

interface Entry<Value> {
  readonly value: Value;
  readonly weight: number;
}

class Room<Value> {
  readonly #capacity: number;
  readonly #entries = new Map<string, Entry<Value>>();
  #weight = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): Entry<Value> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // To the end: what was not used for longest is the first to go.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  set(key: string, entry: Entry<Value>): void {
    this.delete(key);
    this.#entries.set(key, entry);
    this.#weight += entry.weight;
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#capacity) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }
}
