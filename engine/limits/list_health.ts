/**
 * How the DNS lists in use are doing: counts their answers, gives one that keeps silent a rest, and says
 * what an operator should hear without saying it over and over. One for all sessions of a worker.
 */
import type { DnsList } from "./dns_list_zones.ts";

/** How a question to a list ended. */
export type ListOutcome =
  | "listed"
  | "unlisted"
  /** Not within the time there was. */
  | "unanswered"
  /** The DNS failed. */
  | "failed"
  /** It resolves, but the list refuses to tell us. */
  | "denied"
  /** The answer is no list's: someone answers for names that do not exist. */
  | "foreign"
  /** Not asked: the list rests, or we have too much to ask. */
  | "skipped";

export interface ListReading {
  readonly outcome: ListOutcome;
  /** What the list answered, with `denied` and `foreign`; else empty. */
  readonly value: string;
}

export interface ListTrouble {
  readonly zone: string;
  readonly kind: "denied" | "foreign" | "resting";
  /** What the list answered; empty with `resting`. */
  readonly value: string;
}

export interface ListHealthOptions {
  /** All lists there are, those of addresses and those of links. */
  readonly lists: readonly DnsList[];
  /** Milliseconds, ever growing. */
  readonly now: () => number;
  /** For metrics: every question. */
  readonly onOutcome?: (zone: string, outcome: ListOutcome) => void;
  /** For the log: at most once an hour for each zone and kind. */
  readonly onTrouble?: (trouble: ListTrouble) => void;
}

/** Look-ups in a row without an answer, after which a list rests. */
const MAX_FAILURES = 5;
const REST_MS = 60_000;
const TROUBLE_EVERY_MS = 3_600_000;

interface ZoneHealth {
  failures: number;
  restsUntilMs: number;
  readonly toldAtMs: Record<ListTrouble["kind"], number>;
}

/** As large as the number of zones it is made for. */
export class ListHealth {
  readonly #options: ListHealthOptions;
  readonly #zones = new Map<string, ZoneHealth>();

  constructor(options: ListHealthOptions) {
    this.#options = options;
    for (const { zone } of options.lists) {
      this.#zones.set(zone, {
        failures: 0,
        restsUntilMs: -Infinity,
        toldAtMs: { denied: -Infinity, foreign: -Infinity, resting: -Infinity },
      });
    }
  }

  /** Whether to ask the list now; when its rest is over, one question at a time tries it. */
  isDue(zone: string): boolean {
    const health = this.#zones.get(zone);
    if (health === undefined || health.failures < MAX_FAILURES) return true;
    const nowMs = this.#options.now();
    if (nowMs < health.restsUntilMs) return false;
    health.restsUntilMs = nowMs + REST_MS;
    return true;
  }

  /** @param readings how the questions of one look-up ended; several where it has several subjects. */
  record(zone: string, readings: readonly ListReading[]): void {
    const health = this.#zones.get(zone);
    let isSilent = false;
    let hasSpoken = false;
    for (const { outcome, value } of readings) {
      this.#options.onOutcome?.(zone, outcome);
      if (outcome === "unanswered" || outcome === "failed") isSilent = true;
      else if (outcome !== "skipped") hasSpoken = true;
      if (health !== undefined && (outcome === "denied" || outcome === "foreign")) {
        this.#tell(health, { zone, kind: outcome, value });
      }
    }
    if (health === undefined) return;
    if (hasSpoken) health.failures = 0;
    if (hasSpoken || !isSilent) return;
    health.failures++;
    if (health.failures < MAX_FAILURES) return;
    health.restsUntilMs = this.#options.now() + REST_MS;
    this.#tell(health, { zone, kind: "resting", value: "" });
  }

  #tell(health: ZoneHealth, trouble: ListTrouble): void {
    const nowMs = this.#options.now();
    if (nowMs < health.toldAtMs[trouble.kind] + TROUBLE_EVERY_MS) return;
    health.toldAtMs[trouble.kind] = nowMs;
    this.#options.onTrouble?.(trouble);
  }
}
