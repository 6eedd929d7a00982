/**
 * Group commit: whatever becomes ready while a write is under way goes out together with the next one.
 * Decides what travels together; the store decides how.
 */

export interface GroupCommitOptions<Item> {
  /** Makes all of them durable or throws; then none of its items may be taken for stored. */
  readonly write: (items: readonly Item[]) => Promise<void>;
  readonly sizeOf: (item: Item) => number;
  readonly maxItems: number;
  readonly maxOctets: number;
  /** Writes under way at the same time. */
  readonly maxWrites: number;
  /** Between the beginnings of two writes at the least: fewer and larger ones, for some delay. */
  readonly paceMs?: number;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit<Item> {
  readonly #options: GroupCommitOptions<Item>;
  #waiting: Waiting<Item>[] = [];
  #writes = 0;
  #isScheduled = false;
  #lastWriteMs = -Infinity;

  constructor(options: GroupCommitOptions<Item>) {
    this.#options = options;
  }

  /** Resolves when the item is stored, rejects with what the store threw. The caller bounds how many wait. */
  commit(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    const run = () => {
      this.#isScheduled = false;
      this.#writeWaiting();
    };
    const { paceMs = 0 } = this.#options;
    const pauseMs = this.#lastWriteMs + paceMs - performance.now();
    // After the sockets of this turn of the event loop were read, so that what they brought joins in.
    if (pauseMs > 0) setTimeout(run, pauseMs);
    else setImmediate(run);
  }

  #writeWaiting(): void {
    while (this.#waiting.length > 0 && this.#writes < this.#options.maxWrites) {
      const batch = this.#take();
      this.#writes++;
      this.#lastWriteMs = performance.now();
      this.#options.write(batch.map(({ item }) => item)).then(
        () => batch.forEach(({ resolve }) => resolve()),
        (error) => batch.forEach(({ reject }) => reject(error)),
      ).finally(() => {
        this.#writes--;
        this.#schedule();
      });
    }
  }

  #take(): Waiting<Item>[] {
    const { maxItems, maxOctets, sizeOf } = this.#options;
    let octets = 0;
    let count = 0;
    while (count < this.#waiting.length && count < maxItems) {
      octets += sizeOf(this.#waiting[count]!.item);
      if (count > 0 && octets > maxOctets) break;
      count++;
    }
    const batch = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return batch;
  }
}
