/**
 * Octets a worker holds at a time for mail under way, messages and recipients alike; beyond the budget new
 * ones are put off (452 4.3.1).
 */
export class MemoryBudget {
  readonly limitOctets: number;
  #usedOctets = 0;

  constructor(limitOctets: number) {
    this.limitOctets = limitOctets;
  }

  get usedOctets(): number {
    return this.#usedOctets;
  }

  /** Whether a new transaction would hardly find room. */
  get isFull(): boolean {
    return this.#usedOctets > this.limitOctets * 0.9;
  }

  reserve(octets: number): boolean {
    if (this.#usedOctets + octets > this.limitOctets) return false;
    this.#usedOctets += octets;
    return true;
  }

  release(octets: number): void {
    this.#usedOctets -= octets;
  }
}

/** Beyond this part of the budget the recipients of a transaction would leave their message no room. */
const RECIPIENTS_PART = 1 / 4;

/** What the transaction of one session holds of the budget. */
export class MemoryShare {
  readonly #budget: MemoryBudget;
  #octets = 0;
  #isClosed = false;

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  reserve(octets: number): boolean {
    if (this.#isClosed || !this.#budget.reserve(octets)) return false;
    this.#octets += octets;
    return true;
  }

  reserveForRecipients(octets: number): boolean {
    const mostOctets = this.#budget.limitOctets * RECIPIENTS_PART;
    return this.#octets + octets <= mostOctets && this.reserve(octets);
  }

  /** Whether so much more would be granted if nobody else held anything. */
  couldReserve(octets: number): boolean {
    return this.#octets + octets <= this.#budget.limitOctets;
  }

  release(octets: number): void {
    this.#octets -= octets;
    this.#budget.release(octets);
  }

  /** The transaction is over. */
  releaseAll(): void {
    this.release(this.#octets);
  }

  /** The session is over: what is still under way in it gets no more. */
  close(): void {
    this.#isClosed = true;
    this.releaseAll();
  }
}
