/**
 * Whose turn it is to be worked for: some at once, of each origin one, and origins one after the other
 * however much each asks for. At its bounds it turns work away rather than letting it wait.
 */
export interface FairQueueLimits {
  readonly atOnce: number;
  readonly maxWaiting: number;
  readonly maxWaitingPerOrigin: number;
}

interface Waiting {
  readonly start: () => void;
  readonly turnAway: () => void;
}

export class FairQueue {
  /** By origin, whose turn is next in front; none is empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #running = new Set<string>();
  #waitingCount = 0;

  constructor(private readonly limits: FairQueueLimits) {}

  /** What the work answers, or `busy` when it was not begun and will not be. */
  run<T>(origin: string, work: () => Promise<T>): Promise<T | "busy"> {
    const { promise, resolve, reject } = Promise.withResolvers<T | "busy">();
    const start = () => {
      this.#running.add(origin);
      work().then(resolve, reject).finally(() => {
        this.#running.delete(origin);
        this.#startNext();
      });
    };
    if (this.#isFree(origin) && !this.#waiting.has(origin)) start();
    else this.#wait(origin, { start, turnAway: () => resolve("busy") });
    return promise;
  }

  #wait(origin: string, waiting: Waiting): void {
    const { maxWaiting, maxWaitingPerOrigin } = this.limits;
    const before = this.#waiting.get(origin);
    if ((before?.length ?? 0) >= maxWaitingPerOrigin) return waiting.turnAway();
    if (this.#waitingCount >= maxWaiting) {
      const longest = this.#longest();
      // Who waits for his first turn goes before who waits for several.
      if (longest === null || longest.length < 2 || before !== undefined) return waiting.turnAway();
      longest.pop()?.turnAway();
      this.#waitingCount--;
    }
    this.#waitingCount++;
    if (before === undefined) this.#waiting.set(origin, [waiting]);
    else before.push(waiting);
  }

  #startNext(): void {
    for (const [origin, queue] of this.#waiting) {
      if (!this.#isFree(origin)) continue;
      this.#waiting.delete(origin);
      const next = queue.shift();
      // To the end: the others come first.
      if (queue.length > 0) this.#waiting.set(origin, queue);
      this.#waitingCount--;
      next?.start();
      return;
    }
  }

  #isFree(origin: string): boolean {
    return this.#running.size < this.limits.atOnce && !this.#running.has(origin);
  }

  #longest(): Waiting[] | null {
    let longest: Waiting[] | null = null;
    for (const queue of this.#waiting.values()) {
      if (queue.length > (longest?.length ?? 0)) longest = queue;
    }
    return longest;
  }
}
