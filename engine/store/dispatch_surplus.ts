/**
 * Entries a consumer was handed beyond what it asked for. A read that waits on several streams can
 * be answered by all of them at once; what is too much waits here for the consumer's next read.
 */
import type { DispatchEntry } from "./dispatch.ts";

export class DispatchSurplus {
  #byConsumer = new Map<string, readonly DispatchEntry[]>();

  /** Answers as many as the consumer wanted and keeps the others. */
  keep(
    entries: readonly DispatchEntry[],
    options: { consumer: string; maxEntries: number },
  ): readonly DispatchEntry[] {
    const { consumer, maxEntries } = options;
    if (entries.length <= maxEntries) return entries;
    const kept = this.#byConsumer.get(consumer) ?? [];
    this.#byConsumer.set(consumer, [...kept, ...entries.slice(maxEntries)]);
    return entries.slice(0, maxEntries);
  }

  /** What was kept for this consumer from these shards, oldest first. */
  take(
    shards: readonly number[],
    options: { consumer: string; maxEntries: number },
  ): readonly DispatchEntry[] {
    const { consumer, maxEntries } = options;
    const kept = this.#byConsumer.get(consumer);
    if (kept === undefined) return [];
    const taken = kept.filter(({ shard }) => shards.includes(shard)).slice(0, maxEntries);
    const left = kept.filter((entry) => !taken.includes(entry));
    if (left.length > 0) this.#byConsumer.set(consumer, left);
    else this.#byConsumer.delete(consumer);
    return taken;
  }
}
