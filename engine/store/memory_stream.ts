/** One shard's stream with its one consumer group: unread entries in order, then pending ones. */
import type { DispatchEntry } from "./dispatch.ts";

/** Read slots left at the front of the queue before it is cut. */
const CUT_AFTER = 1024;

export class MemoryStream {
  #unread: (DispatchEntry | undefined)[] = [];
  #front = 0;
  /** In entry order, because entries are first read in order and a later read keeps their place. */
  #pending = new Map<string, { readonly entry: DispatchEntry; readAtMs: number }>();

  get unread(): number {
    return this.#unread.length - this.#front;
  }

  /** When the first unread entry was added, which its id begins with. */
  get unreadSinceMs(): number | null {
    const first = this.#unread[this.#front];
    return first === undefined ? null : Number.parseInt(first.entryId);
  }

  get pending(): number {
    return this.#pending.size;
  }

  add(entry: DispatchEntry): void {
    this.#unread.push(entry);
  }

  /** Moves up to `count` unread entries to the pending ones, onto the end of `taken`. */
  take(count: number, nowMs: number, taken: DispatchEntry[]): number {
    const found = Math.min(count, this.unread);
    for (let i = 0; i < found; i++) {
      const entry = this.#unread[this.#front]!;
      this.#unread[this.#front++] = undefined;
      this.#pending.set(entry.entryId, { entry, readAtMs: nowMs });
      taken.push(entry);
    }
    if (this.#front > CUT_AFTER && 2 * this.#front > this.#unread.length) {
      this.#unread = this.#unread.slice(this.#front);
      this.#front = 0;
    }
    return found;
  }

  acknowledge(entryId: string): void {
    this.#pending.delete(entryId);
  }

  /** Reads again up to `count` pending entries last read at `readBeforeMs` or before. */
  reclaim(count: number, times: { readBeforeMs: number; nowMs: number }): DispatchEntry[] {
    const claimed: DispatchEntry[] = [];
    for (const pending of this.#pending.values()) {
      if (claimed.length === count) break;
      if (pending.readAtMs > times.readBeforeMs) continue;
      pending.readAtMs = times.nowMs;
      claimed.push(pending.entry);
    }
    return claimed;
  }
}
