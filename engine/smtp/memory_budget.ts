/** Octets of mail a worker holds at a time; beyond the budget new messages are put off (452 4.3.1). */
export class MemoryBudget {
  readonly #limitOctets: number;
  #usedOctets = 0;

  constructor(limitOctets: number) {
    this.#limitOctets = limitOctets;
  }

  get usedOctets(): number {
    return this.#usedOctets;
  }

  /** Whether a new transaction would hardly find room. */
  get isFull(): boolean {
    return this.#usedOctets > this.#limitOctets * 0.9;
  }

  reserve(octets: number): boolean {
    if (this.#usedOctets + octets > this.#limitOctets) return false;
    this.#usedOctets += octets;
    return true;
  }

  release(octets: number): void {
    this.#usedOctets -= octets;
  }
}
