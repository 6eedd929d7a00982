/**
 * The most useful tokens of any number, in bounded room: once it is full, tokens that were in the fewest messages fall
 * through, and none of those is taken from then on. Tokens of one message are most of all there are and say least.
 */
import type { TokenCounts } from "../store/spam_memory.ts";

const FIRST_ROOM = 8_192;
const SAMPLES = 4_096;

export class TokenSieve {
  readonly #maxTokens: number;
  #ids = new Float64Array(FIRST_ROOM);
  /** Ham and spam side by side. */
  #counts = new Uint32Array(2 * FIRST_ROOM);
  #size = 0;
  #minMessages = 1;

  constructor(maxTokens: number) {
    this.#maxTokens = Math.max(0, maxTokens);
  }

  get size(): number {
    return this.#size;
  }

  /** Tokens of fewer messages need not be brought. */
  get minMessages(): number {
    return this.#minMessages;
  }

  add({ tokens, ham, spam }: TokenCounts): void {
    for (let row = 0; row < tokens.length; row++) {
      const isFull = () => this.#size >= this.#maxTokens;
      while (isFull() && ham[row] + spam[row] >= this.#minMessages && this.#maxTokens > 0) {
        this.#compact();
      }
      if (isFull() || ham[row] + spam[row] < this.#minMessages) continue;
      if (this.#size === this.#ids.length) this.#grow();
      this.#ids[this.#size] = tokens[row];
      this.#counts[2 * this.#size] = ham[row];
      this.#counts[2 * this.#size + 1] = spam[row];
      this.#size++;
    }
  }

  /** @param end behind the last; may be beyond what there is. */
  forEach(start: number, end: number, take: (id: number, ham: number, spam: number) => void): void {
    for (let at = start; at < Math.min(end, this.#size); at++) {
      take(this.#ids[at], this.#counts[2 * at], this.#counts[2 * at + 1]);
    }
  }

  /** Lets at least something fall through, a quarter of all or so: each time is a walk through everything. */
  #compact(): void {
    this.#minMessages = Math.max(this.#minMessages, this.#lowQuartile()) + 1;
    let kept = 0;
    for (let at = 0; at < this.#size; at++) {
      const [ham, spam] = [this.#counts[2 * at], this.#counts[2 * at + 1]];
      if (ham + spam < this.#minMessages) continue;
      this.#ids[kept] = this.#ids[at];
      this.#counts[2 * kept] = ham;
      this.#counts[2 * kept + 1] = spam;
      kept++;
    }
    this.#size = kept;
  }

  #lowQuartile(): number {
    const step = Math.max(1, Math.floor(this.#size / SAMPLES));
    const sample = new Uint32Array(Math.ceil(this.#size / step));
    for (let at = 0; at < sample.length; at++) {
      sample[at] = this.#counts[2 * at * step] + this.#counts[2 * at * step + 1];
    }
    return sample.sort()[Math.floor(sample.length / 4)] ?? 0;
  }

  #grow(): void {
    const ids = new Float64Array(this.#ids.length * 2);
    const counts = new Uint32Array(ids.length * 2);
    ids.set(this.#ids);
    counts.set(this.#counts);
    this.#ids = ids;
    this.#counts = counts;
  }
}
