/** Gathers the metrics of all threads into one text; a worker that does not answer keeps its last word. */
import { aggregate, type MetricsSnapshot, retire } from "../telemetry/metrics.ts";

/** How long a scrape waits for workers. */
const ANSWER_MS = 1_000;

export class MetricsCollector {
  readonly #latest = new Map<string, MetricsSnapshot>();
  #retired: MetricsSnapshot = [];
  #waiting = new Set<string>();
  #wake: (() => void) | null = null;

  /** A worker's answer. */
  receive(thread: string, snapshot: MetricsSnapshot): void {
    this.#latest.set(thread, snapshot);
    this.#waiting.delete(thread);
    if (this.#waiting.size === 0) this.#wake?.();
  }

  /** A worker is gone: what it counted stays counted. */
  async forget(thread: string): Promise<void> {
    const last = this.#latest.get(thread);
    this.#latest.delete(thread);
    if (last !== undefined) this.#retired = await retire([this.#retired, last]);
  }

  /**
   * Prometheus text over all threads.
   *
   * @param ask sends the question to every living worker and answers their names.
   */
  async collect(own: MetricsSnapshot, ask: () => readonly string[]): Promise<string> {
    this.#waiting = new Set(ask());
    if (this.#waiting.size > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, ANSWER_MS);
      });
      clearTimeout(timer);
      this.#wake = null;
    }
    return await aggregate([own, ...this.#latest.values(), this.#retired]);
  }
}
