/** What is remembered for a while: bounded, the longest there goes first. */
export class ExpiringMap<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly untilMs: number }>();

  constructor(private readonly capacity: number, private readonly now: () => number) {}

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.untilMs > this.now()) return entry?.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: V, lifeMs: number): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.capacity) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, { value, untilMs: this.now() + lifeMs });
  }
}
