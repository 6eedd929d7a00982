/**
 * The embedded greylist: what `redisGreylist` keeps in Redis, kept in this process and forgotten with it. What
 * waits, what is trusted, and passes on the way to trust have room of their own, so that strangers without end
 * push out one another and nobody who came again.
 */
import type { Greylist, GreylistAnswer, GreylistQuery } from "./greylist.ts";
import { checkQuery } from "./greylist_query.ts";

/** Of each of the three; some 15 MB at the keys in use. */
const MAX_KEYS = 100_000;

/** @param options `now` answers Unix ms; `maxKeys` bounds each of the three parts. */
export function memoryGreylist(
  options: { readonly now: () => number; readonly maxKeys?: number },
): Greylist {
  return new InProcessGreylist(options.now, options.maxKeys ?? MAX_KEYS);
}

class InProcessGreylist implements Greylist {
  /** When triplets first came. */
  #waiting: Room<number>;
  /** Triplets that came again. */
  #trusted: Room<true>;
  /** How often senders' mail came again. */
  #passes: Room<number>;

  constructor(private readonly now: () => number, maxKeys: number) {
    this.#waiting = new Room(maxKeys);
    this.#trusted = new Room(maxKeys);
    this.#passes = new Room(maxKeys);
  }

  // deno-lint-ignore require-await
  async ask(query: GreylistQuery): Promise<GreylistAnswer> {
    checkQuery(query);
    const nowMs = Math.floor(this.now());
    if (this.#renewTrust(query, nowMs)) return { kind: "trusted" };
    const triplets = [...new Set(query.triplets)];
    const firstMs = triplets.map((key) => this.#waiting.get(key, nowMs))
      .filter((atMs) => atMs !== undefined && nowMs - atMs < query.windowMs) as number[];
    // A clock that went back has waited for nothing.
    const leftMs = Math.min(...firstMs, nowMs) + query.delayMs - nowMs;
    if (firstMs.length > 0 && leftMs <= 0) {
      this.#pass(query, nowMs);
      return { kind: "passed" };
    }
    for (const key of triplets) {
      const atMs = this.#waiting.get(key, nowMs);
      if (atMs !== undefined && nowMs - atMs < query.windowMs) continue;
      this.#waiting.set(key, nowMs, Infinity);
    }
    return { kind: "waiting", isNew: firstMs.length === 0, retryAfterMs: Math.max(1, leftMs) };
  }

  #renewTrust(query: GreylistQuery, nowMs: number): boolean {
    const { senders, triplets, isVouchedFor, trustMs } = query;
    const untilMs = nowMs + trustMs;
    let isTrusted = isVouchedFor;
    for (const { key, passes } of senders) {
      const least = isVouchedFor ? passes : 0;
      const passed = Math.max(this.#passes.get(key, nowMs) ?? 0, least);
      if (passed < passes) continue;
      this.#passes.set(key, passed, untilMs);
      isTrusted = true;
    }
    for (const key of triplets) {
      if (this.#trusted.get(key, nowMs) === undefined) continue;
      this.#trusted.set(key, true, untilMs);
      isTrusted = true;
    }
    return isTrusted;
  }

  #pass({ senders, triplets, trustMs }: GreylistQuery, nowMs: number): void {
    const untilMs = nowMs + trustMs;
    for (const key of new Set(senders.map(({ key }) => key))) {
      this.#passes.set(key, (this.#passes.get(key, nowMs) ?? 0) + 1, untilMs);
    }
    for (const key of triplets) {
      this.#waiting.delete(key);
      this.#trusted.set(key, true, untilMs);
    }
  }
}

/** At the bound what was set longest ago goes first; what is over goes when it is met. */
class Room<Value> {
  #entries = new Map<string, { readonly value: Value; readonly untilMs: number }>();

  constructor(private readonly capacity: number) {}

  get(key: string, nowMs: number): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.untilMs > nowMs) return entry?.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: Value, untilMs: number): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.capacity) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest);
    }
    this.#entries.set(key, { value, untilMs });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
