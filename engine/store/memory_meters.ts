/**
 * The embedded meters: what `redisMeters` keeps in Redis, kept in this process and forgotten with it.
 *
 * Meters of one period lie together in the order they were last counted in, so that the first is the one that is
 * empty first, as far as one can tell without looking. Empty ones go as new ones come. At the bound a new meter
 * displaces such a first one: whoever is forgotten so may do a little more than his limit, and the memory of the
 * process stays what it is.
 */
import {
  checkClaims,
  CLOCK_SLACK_MS,
  fits,
  fitsAfterMs,
  levelNow,
  type MeterLevel,
  meterName,
  raised,
} from "./meter_level.ts";
import type { MeterClaim, Meters, Passage } from "./meters.ts";

/** Some 40 MB at the longest keys in use. */
const MAX_METERS = 200_000;
/** They come from configuration, so there are a handful. */
const MAX_PERIODS = 64;
/** Empty meters a new one may take along, so that they do not pile up. */
const TIDIED_EACH = 2;

/** @param options `now` answers Unix ms; `maxMeters` bounds the meters that are not empty. */
export function memoryMeters(
  options: { readonly now: () => number; readonly maxMeters?: number },
): Meters {
  return new InProcessMeters(options.now, options.maxMeters ?? MAX_METERS);
}

/** A level, and by when it is surely empty. */
interface Metered extends MeterLevel {
  readonly overAtMs: number;
}

class InProcessMeters implements Meters {
  #periods = new Map<number, Map<string, Metered>>();
  #size = 0;

  constructor(private readonly now: () => number, private readonly maxMeters: number) {}

  // deno-lint-ignore require-await
  async pass(claims: readonly MeterClaim[]): Promise<Passage> {
    checkClaims(claims);
    const nowMs = Math.floor(this.now());
    // A meter may be named more than once: what earlier claims ask of it counts.
    const asked = new Map<string, number>();
    for (const [index, claim] of claims.entries()) {
      const name = meterName(claim);
      const amount = (asked.get(name) ?? 0) + claim.amount;
      asked.set(name, amount);
      const level = levelNow(this.#period(claim.periodMs).get(name) ?? null, claim, nowMs);
      if (fits(raised(level, amount, claim), claim, nowMs)) continue;
      const retryAfterMs = fitsAfterMs(level, amount, { rate: claim, nowMs });
      return { kind: "refused", claim: index, retryAfterMs };
    }
    for (const claim of claims) this.#raise(claim, nowMs);
    return { kind: "granted" };
  }

  #raise(claim: MeterClaim, nowMs: number): void {
    const name = meterName(claim);
    const meters = this.#period(claim.periodMs);
    const level = raised(levelNow(meters.get(name) ?? null, claim, nowMs), claim.amount, claim);
    if (meters.delete(name)) this.#size--;
    else this.#makeRoom(meters, nowMs);
    meters.set(name, { ...level, overAtMs: nowMs + claim.periodMs });
    this.#size++;
  }

  #period(periodMs: number): Map<string, Metered> {
    let meters = this.#periods.get(periodMs);
    if (meters === undefined) {
      if (this.#periods.size >= MAX_PERIODS) throw new RangeError("too many periods of meters");
      this.#periods.set(periodMs, meters = new Map());
    }
    return meters;
  }

  #makeRoom(meters: Map<string, Metered>, nowMs: number): void {
    for (let tidied = 0; tidied < TIDIED_EACH; tidied++) {
      const first = firstOf(meters);
      if (first === null || first.overAtMs + CLOCK_SLACK_MS >= nowMs) break;
      meters.delete(first.name);
      this.#size--;
    }
    if (this.#size < this.maxMeters) return;
    let soonest: { name: string; overAtMs: number; meters: Map<string, Metered> } | null = null;
    for (const meters of this.#periods.values()) {
      const first = firstOf(meters);
      if (first === null || (soonest !== null && first.overAtMs >= soonest.overAtMs)) continue;
      soonest = { ...first, meters };
    }
    if (soonest?.meters.delete(soonest.name)) this.#size--;
  }
}

function firstOf(meters: ReadonlyMap<string, Metered>) {
  for (const [name, { overAtMs }] of meters) return { name, overAtMs };
  return null;
}
