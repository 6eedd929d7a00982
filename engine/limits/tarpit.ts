/**
 * How long answers are held back from clients that are hopeless: listed ones, and those that collect refusal
 * after refusal, as one does who guesses addresses. Decides the time and who has a place; the session waits.
 */

export interface TarpitPolicy {
  /** Sum of list weights from which on a client is hopeless; `null`: lists do not matter. */
  readonly listWeight: number | null;
  /** Refusals a session may collect at full speed. */
  readonly freeRefusals: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export interface TarpitFacts {
  readonly listWeight: number;
  /** 5yz replies of this session. */
  readonly refusals: number;
}

/** For the next answer: 0 for a client that is not hopeless, doubled with each refusal for one that is. */
export function tarpitDelayMs(facts: TarpitFacts, policy: TarpitPolicy): number {
  const isListed = policy.listWeight !== null && facts.listWeight >= policy.listWeight;
  const doublings = isListed ? facts.refusals : facts.refusals - policy.freeRefusals - 1;
  if (doublings < 0) return 0;
  return Math.min(policy.firstDelayMs * 2 ** doublings, policy.maxDelayMs);
}

/**
 * Places for sessions that are held back, in a worker: each costs memory for as long as it lasts. Who gets
 * none is answered at full speed, and ends all the sooner.
 */
export class TarpitPlaces {
  readonly #max: number;
  #taken = 0;

  constructor(options: { readonly max: number }) {
    this.#max = options.max;
  }

  get taken(): number {
    return this.#taken;
  }

  /** A place to give back once, or `null` where all are taken. */
  enter(): Disposable | null {
    if (this.#taken >= this.#max) return null;
    this.#taken++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#taken--;
        isHeld = false;
      },
    };
  }
}
