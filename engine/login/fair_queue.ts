/**
 * Whose turn it is to be worked for: some at once, of each origin one, and origins one after the other
 * however much each asks for. The favoured go first and have room of their own to wait in, so that any
 * number of others neither hold them up nor crowd them out. At its bounds it turns work away rather than
 * letting it wait.
 */
export interface FairQueueLimits {
  readonly atOnce: number;
  /** Of the favoured, and as many of the others. */
  readonly maxWaiting: number;
  readonly maxWaitingPerOrigin: number;
}

interface Waiting {
  readonly start: () => void;
  readonly turnAway: () => void;
}

export class FairQueue {
  readonly #favoured: Line;
  readonly #others: Line;
  readonly #running = new Set<string>();

  constructor(private readonly limits: FairQueueLimits) {
    this.#favoured = new Line(limits);
    this.#others = new Line(limits);
  }

  /** What the work answers, or `busy` when it was not begun and will not be. */
  run<T>(
    origin: string,
    work: () => Promise<T>,
    options: { readonly isFavoured: boolean },
  ): Promise<T | "busy"> {
    const { promise, resolve, reject } = Promise.withResolvers<T | "busy">();
    const start = () => {
      this.#running.add(origin);
      work().then(resolve, reject).finally(() => {
        this.#running.delete(origin);
        const isFree = (origin: string) => this.#isFree(origin);
        (this.#favoured.next(isFree) ?? this.#others.next(isFree))?.start();
      });
    };
    const line = options.isFavoured ? this.#favoured : this.#others;
    if (this.#isFree(origin) && !line.has(origin)) start();
    else line.add(origin, { start, turnAway: () => resolve("busy") });
    return promise;
  }

  #isFree(origin: string): boolean {
    return this.#running.size < this.limits.atOnce && !this.#running.has(origin);
  }
}

/** Those who wait, however many of each origin. */
class Line {
  /** By origin, whose turn is next in front; none is empty. */
  readonly #byOrigin = new Map<string, Waiting[]>();
  #count = 0;

  constructor(private readonly limits: FairQueueLimits) {}

  has(origin: string): boolean {
    return this.#byOrigin.has(origin);
  }

  add(origin: string, waiting: Waiting): void {
    const { maxWaiting, maxWaitingPerOrigin } = this.limits;
    const before = this.#byOrigin.get(origin);
    if ((before?.length ?? 0) >= maxWaitingPerOrigin) return waiting.turnAway();
    if (this.#count >= maxWaiting) {
      const longest = this.#longest();
      // Who waits for his first turn goes before who waits for several.
      if (longest === null || longest.length < 2 || before !== undefined) return waiting.turnAway();
      longest.pop()?.turnAway();
      this.#count--;
    }
    this.#count++;
    if (before === undefined) this.#byOrigin.set(origin, [waiting]);
    else before.push(waiting);
  }

  /** Takes out who comes next of those whose origin is free. */
  next(isFree: (origin: string) => boolean): Waiting | null {
    for (const [origin, queue] of this.#byOrigin) {
      if (!isFree(origin)) continue;
      this.#byOrigin.delete(origin);
      const next = queue.shift();
      // To the end: the others come first.
      if (queue.length > 0) this.#byOrigin.set(origin, queue);
      this.#count--;
      return next ?? null;
    }
    return null;
  }

  #longest(): Waiting[] | null {
    let longest: Waiting[] | null = null;
    for (const queue of this.#byOrigin.values()) {
      if (queue.length > (longest?.length ?? 0)) longest = queue;
    }
    return longest;
  }
}
