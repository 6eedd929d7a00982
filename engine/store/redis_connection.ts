/**
 * One connection to Redis whose every call ends in bounded time: with an answer or with
 * `StoreUnavailableError`. It reconnects by itself and repeats nothing: a call cut off by a lost
 * connection fails, for its outcome is unknown.
 */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { StoreUnavailableError } from "./errors.ts";

/** How long a call may take on a connection that is up. */
const CALL_MS = 2_000;
/** How long a call waits for the connection, so that a restart of Redis goes unnoticed. */
const CONNECT_WAIT_MS = 1_000;
/** Calls that may wait for the connection at once. */
const MAX_WAITING = 1_024;
const MAX_RECONNECT_DELAY_MS = 500;

export interface RedisConnectionOptions {
  /** `redis://` or, with TLS, `rediss://`. */
  readonly url: string;
  /** Told of every fault of the connection, up to a few times a second while Redis is away. */
  readonly onError: (error: Error) => void;
}

/** A Lua script as Redis knows it. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

export function redisScript(text: string): RedisScript {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

export class RedisConnection implements AsyncDisposable {
  #redis: Redis;
  #waiting = new Set<PromiseWithResolvers<void>>();
  #closed = false;

  constructor(options: RedisConnectionOptions) {
    this.#redis = new Redis(options.url, {
      // The replies are read in their RESP2 shapes, which every version of Redis sends.
      protocol: 2,
      disableClientInfo: true,
      connectionName: "sluice",
      noDelay: true,
      connectTimeout: CALL_MS,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      maxLoadingRetryTime: MAX_RECONNECT_DELAY_MS,
      retryStrategy: (times) => Math.min(25 * 2 ** times, MAX_RECONNECT_DELAY_MS),
      // After a failover the old primary still answers, but takes no writes.
      reconnectOnError: (error) => error.message.startsWith("READONLY"),
    });
    this.#redis.on("error", options.onError);
    this.#redis.on("ready", () => {
      for (const waiting of this.#waiting) waiting.resolve();
    });
  }

  /**
   * Runs commands once the connection is up.
   * @param options `blocksMs` is how long the commands themselves may wait in Redis.
   * @throws {StoreUnavailableError} with the fault as its cause.
   */
  async call<T>(
    commands: (redis: Redis) => Promise<T>,
    options: { blocksMs: number } = { blocksMs: 0 },
  ): Promise<T> {
    if (!this.#closed && this.#redis.status !== "ready") await this.#ready();
    if (this.#closed) throw new StoreUnavailableError("the connection to Redis is closed");
    const limitMs = CALL_MS + options.blocksMs;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        // What is still in flight would be counted against the next call, so it goes too.
        this.#redis.stream?.destroy();
        reject(new Error(`no answer within ${limitMs} ms`));
      }, limitMs);
    });
    try {
      return await Promise.race([commands(this.#redis), late]);
    } catch (cause) {
      throw new StoreUnavailableError("Redis did not answer", { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs a script, sending its text only to a server that does not hold it. */
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.call(async (redis) => {
      try {
        return await redis.evalsha(script.sha1, keys.length, ...keys, ...args);
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
        return await redis.eval(script.text, keys.length, ...keys, ...args);
      }
    });
  }

  /** Closes at once; calls under way fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const waiting of this.#waiting) waiting.resolve();
    if (this.#redis.status === "reconnecting" || this.#redis.status === "end") {
      // No socket is open, so nothing will end but the wait for the next attempt.
      this.#redis.disconnect();
      return;
    }
    const ended = new Promise<void>((resolve) => this.#redis.once("end", () => resolve()));
    this.#redis.disconnect();
    this.#redis.stream?.destroy();
    await ended;
  }

  async #ready(): Promise<void> {
    if (this.#waiting.size >= MAX_WAITING) {
      throw new StoreUnavailableError("too many calls wait for Redis");
    }
    const waiting = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => waiting.reject(new StoreUnavailableError("no connection to Redis")),
      CONNECT_WAIT_MS,
    );
    this.#waiting.add(waiting);
    try {
      await waiting.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    }
  }
}
