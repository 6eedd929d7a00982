/**
 * How many messages a filter works on at once in a worker, weighed by their octets, since each may be held once
 * more on its way out. Some wait, in order of arrival; at the bound work is turned away.
 */

export interface FilterGateLimits {
  readonly places: number;
  readonly octets: number;
  readonly maxWaiting: number;
}

export type FilterAdmission = "entered" | "full" | "aborted";

interface Waiting {
  readonly octets: number;
  readonly admit: () => void;
}

export class FilterGate {
  readonly #limits: FilterGateLimits;
  /** In order of arrival; nobody overtakes, or a large message would wait for ever. */
  readonly #waiting = new Set<Waiting>();
  #places = 0;
  #octets = 0;

  constructor(limits: FilterGateLimits) {
    this.#limits = limits;
  }

  /** Whoever gets `entered` calls `leave` once, with the same octets. */
  enter(octets: number, signal: AbortSignal): Promise<FilterAdmission> {
    if (signal.aborted) return Promise.resolve("aborted");
    if (this.#waiting.size === 0 && this.#hasRoom(octets)) {
      this.#take(octets);
      return Promise.resolve("entered");
    }
    if (this.#waiting.size >= this.#limits.maxWaiting) return Promise.resolve("full");
    return new Promise((resolve) => {
      const abort = () => {
        this.#waiting.delete(waiting);
        resolve("aborted");
        this.#admit();
      };
      const admit = () => {
        signal.removeEventListener("abort", abort);
        resolve("entered");
      };
      const waiting = { octets, admit };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  leave(octets: number): void {
    this.#places--;
    this.#octets -= this.#weight(octets);
    this.#admit();
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (!this.#hasRoom(waiting.octets)) return;
      this.#waiting.delete(waiting);
      this.#take(waiting.octets);
      waiting.admit();
    }
  }

  #take(octets: number): void {
    this.#places++;
    this.#octets += this.#weight(octets);
  }

  #hasRoom(octets: number): boolean {
    const { places, octets: limit } = this.#limits;
    return this.#places < places && this.#octets + this.#weight(octets) <= limit;
  }

  /** A message larger than the room goes alone in it. */
  #weight(octets: number): number {
    return Math.min(octets, this.#limits.octets);
  }
}
