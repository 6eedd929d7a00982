/**
 * Whose turn it is at the one session of the embedded database: first come, first served, and whoever
 * has the turn keeps it until it is given back. One waiter at most for each owner, so the owners' number
 * bounds the queue.
 */
export class Turns<Owner> {
  #holder: Owner | null = null;
  readonly #waiting: { owner: Owner; go: () => void }[] = [];

  get waiting(): number {
    return this.#waiting.length;
  }

  holds(owner: Owner): boolean {
    return this.#holder === owner;
  }

  /** Resolves when it is the owner's turn; at once when the owner has it already. */
  take(owner: Owner): Promise<void> | void {
    if (this.#holder === owner) return;
    if (this.#holder === null) {
      this.#holder = owner;
      return;
    }
    return new Promise((go) => {
      this.#waiting.push({ owner, go });
    });
  }

  /** Gives the turn to the next; does nothing for an owner who does not have it. */
  giveBack(owner: Owner): void {
    if (this.#holder !== owner) return;
    const next = this.#waiting.shift();
    this.#holder = next?.owner ?? null;
    next?.go();
  }
}
