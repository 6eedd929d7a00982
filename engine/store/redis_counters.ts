/**
 * The counters in Redis, one text a counter, which expires once it weighs nothing: each call is one
 * script and one round trip. The clock is that of Redis, so that nodes agree on where a window begins
 * even where theirs differ.
 */
import { checkWindows } from "./counter_window.ts";
import type { Claim, Counters, CounterWindow, Taken } from "./counters.ts";
import clockLua from "./lua/clock.lua" with { type: "text" };
import addLua from "./lua/counter_add.lua" with { type: "text" };
import giveBackLua from "./lua/counter_give_back.lua" with { type: "text" };
import takeLua from "./lua/counter_take.lua" with { type: "text" };
import windowLua from "./lua/counter_window.lua" with { type: "text" };
import { RedisConnection, type RedisConnectionOptions, redisScript } from "./redis_connection.ts";

const SCRIPTS = {
  add: redisScript(clockLua + windowLua + addLua),
  giveBack: redisScript(clockLua + windowLua + giveBackLua),
  take: redisScript(clockLua + windowLua + takeLua),
};

export interface RedisCountersOptions extends RedisConnectionOptions {
  /** What every key starts with, `smtp:` if left out. */
  readonly keyPrefix?: string;
  /** Unix ms in place of the clock of Redis. */
  readonly now?: () => number;
}

/** Opens its connection in the background; calls made before it is up wait for a moment. */
export function redisCounters(options: RedisCountersOptions): Counters & AsyncDisposable {
  return new RedisCounters(options);
}

class RedisCounters implements Counters, AsyncDisposable {
  #connection: RedisConnection;
  #prefix: string;

  constructor(private readonly options: RedisCountersOptions) {
    this.#prefix = `${options.keyPrefix ?? "smtp:"}counter:`;
    this.#connection = new RedisConnection(options);
  }

  async take(claims: readonly Claim[]): Promise<Taken> {
    checkWindows(claims);
    if (claims.length === 0) return { kind: "granted" };
    const args = claims.flatMap(({ windowMs, amount, limit }) => [windowMs, amount, limit]);
    const [claim, retryAfterMs] = await this.#run("take", claims, args);
    return claim === 0 ? { kind: "granted" } : { kind: "refused", claim: claim - 1, retryAfterMs };
  }

  async add(counts: readonly (CounterWindow & { amount: number })[]): Promise<readonly number[]> {
    checkWindows(counts);
    if (counts.length === 0) return [];
    return await this.#run("add", counts, amountsOf(counts));
  }

  async giveBack(counts: readonly (CounterWindow & { amount: number })[]): Promise<void> {
    checkWindows(counts);
    if (counts.length > 0) await this.#run("giveBack", counts, amountsOf(counts));
  }

  async read(windows: readonly CounterWindow[]): Promise<readonly number[]> {
    return await this.add(windows.map(({ key, windowMs }) => ({ key, windowMs, amount: 0 })));
  }

  async reset(windows: readonly CounterWindow[]): Promise<void> {
    checkWindows(windows);
    if (windows.length === 0) return;
    await this.#connection.call((redis) => redis.unlink(...this.#keys(windows)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #run(
    script: keyof typeof SCRIPTS,
    windows: readonly CounterWindow[],
    args: readonly number[],
  ): Promise<readonly number[]> {
    const now = this.options.now === undefined ? "" : Math.floor(this.options.now());
    return await this.#connection.run(SCRIPTS[script], this.#keys(windows), [
      now,
      ...args,
    ]) as number[];
  }

  #keys(windows: readonly CounterWindow[]): string[] {
    return windows.map(({ key, windowMs }) => `${this.#prefix}${windowMs}:${key}`);
  }
}

function amountsOf(counts: readonly (CounterWindow & { amount: number })[]): number[] {
  return counts.flatMap(({ windowMs, amount }) => [windowMs, amount]);
}
