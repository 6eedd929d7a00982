/** Lets a bounded number of questions onto the network and a bounded number wait for their turn. */

export type Admission = "entered" | "full" | "aborted";

export class Gate {
  readonly #maxInside: number;
  readonly #maxWaiting: number;
  /** In order of arrival. */
  readonly #waiting = new Set<() => void>();
  #inside = 0;

  constructor(limits: { readonly maxInside: number; readonly maxWaiting: number }) {
    this.#maxInside = limits.maxInside;
    this.#maxWaiting = limits.maxWaiting;
  }

  /** Whoever gets `entered` calls `leave` once. */
  enter(signal: AbortSignal): Promise<Admission> {
    if (signal.aborted) return Promise.resolve("aborted");
    if (this.#inside < this.#maxInside) {
      this.#inside++;
      return Promise.resolve("entered");
    }
    if (this.#waiting.size >= this.#maxWaiting) return Promise.resolve("full");
    return new Promise((resolve) => {
      const abort = () => {
        this.#waiting.delete(admit);
        resolve("aborted");
      };
      const admit = () => {
        signal.removeEventListener("abort", abort);
        resolve("entered");
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(admit);
    });
  }

  /** Gives the place to who has waited longest. */
  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#inside--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
