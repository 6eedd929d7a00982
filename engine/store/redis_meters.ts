/**
 * The meters in Redis, one text a meter, which expires once it is empty: each call is one script and one round
 * trip. The clock is that of Redis, so that nodes agree even where theirs differ.
 */
import clockLua from "./lua/clock.lua" with { type: "text" };
import passLua from "./lua/meter_pass.lua" with { type: "text" };
import { checkClaims, meterName } from "./meter_level.ts";
import type { MeterClaim, Meters, Passage } from "./meters.ts";
import { RedisConnection, type RedisConnectionOptions, redisScript } from "./redis_connection.ts";

const PASS = redisScript(clockLua + passLua);

export interface RedisMetersOptions extends RedisConnectionOptions {
  /** What every key starts with, `smtp:` if left out. */
  readonly keyPrefix?: string;
  /** Unix ms in place of the clock of Redis. */
  readonly now?: () => number;
}

/** Opens its connection in the background; calls made before it is up wait for a moment. */
export function redisMeters(options: RedisMetersOptions): Meters & AsyncDisposable {
  return new RedisMeters(options);
}

class RedisMeters implements Meters, AsyncDisposable {
  #connection: RedisConnection;
  #prefix: string;

  constructor(private readonly options: RedisMetersOptions) {
    this.#prefix = `${options.keyPrefix ?? "smtp:"}meter:`;
    this.#connection = new RedisConnection(options);
  }

  async pass(claims: readonly MeterClaim[]): Promise<Passage> {
    checkClaims(claims);
    if (claims.length === 0) return { kind: "granted" };
    const now = this.options.now === undefined ? "" : Math.floor(this.options.now());
    const keys = claims.map((claim) => this.#prefix + meterName(claim));
    const args = claims.flatMap(({ burst, periodMs, amount }) => [burst, periodMs, amount]);
    const [claim, retryAfterMs] = await this.#connection.run(PASS, keys, [
      now,
      ...args,
    ]) as number[];
    return claim === 0 ? { kind: "granted" } : { kind: "refused", claim: claim - 1, retryAfterMs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }
}
