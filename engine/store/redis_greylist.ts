/**
 * The greylist in Redis: a text for each who is trusted, which expires by itself, and one sorted set of what waits,
 * of which the oldest go where there are too many: strangers without end push out one another. A question is one
 * script and one round trip. The clock is that of Redis, so that it does not matter which node a message comes to
 * again.
 */
import type { Greylist, GreylistAnswer, GreylistQuery } from "./greylist.ts";
import { checkQuery } from "./greylist_query.ts";
import clockLua from "./lua/clock.lua" with { type: "text" };
import askLua from "./lua/greylist_ask.lua" with { type: "text" };
import { RedisConnection, type RedisConnectionOptions, redisScript } from "./redis_connection.ts";

/** Some 60 MB. */
const MAX_WAITING = 500_000;

const ASK = redisScript(clockLua + askLua);

export interface RedisGreylistOptions extends RedisConnectionOptions {
  /** What every key starts with, `smtp:` if left out. */
  readonly keyPrefix?: string;
  /** Triplets that may wait at once; the servers that share a Redis should agree on it. */
  readonly maxWaiting?: number;
  /** Unix ms in place of the clock of Redis. */
  readonly now?: () => number;
}

/** Opens its connection in the background; questions asked before it is up wait for a moment. */
export function redisGreylist(options: RedisGreylistOptions): Greylist & AsyncDisposable {
  return new RedisGreylist(options);
}

class RedisGreylist implements Greylist, AsyncDisposable {
  #connection: RedisConnection;
  #prefix: string;

  constructor(private readonly options: RedisGreylistOptions) {
    this.#prefix = `${options.keyPrefix ?? "smtp:"}grey:`;
    this.#connection = new RedisConnection(options);
  }

  async ask(query: GreylistQuery): Promise<GreylistAnswer> {
    checkQuery(query);
    const { senders, triplets, isVouchedFor, delayMs, windowMs, trustMs } = query;
    const keys = [
      ...senders.map(({ key }) => `${this.#prefix}sender:${key}`),
      ...triplets.map((key) => `${this.#prefix}triplet:${key}`),
      `${this.#prefix}waiting`,
    ];
    const args = [
      this.options.now === undefined ? "" : Math.floor(this.options.now()),
      ...[delayMs, windowMs, trustMs, isVouchedFor ? 1 : 0],
      this.options.maxWaiting ?? MAX_WAITING,
      senders.length,
      ...senders.map(({ passes }) => passes),
      ...triplets,
    ];
    const [kind, retryAfterMs, isNew] = await this.#connection.run(ASK, keys, args) as number[];
    if (kind === 0) return { kind: "trusted" };
    if (kind === 1) return { kind: "passed" };
    return { kind: "waiting", isNew: isNew === 1, retryAfterMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }
}
