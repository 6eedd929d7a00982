/**
 * Asks all configured filters about a message, side by side and each within its time, and puts together what they
 * say. Decides what stands in for a filter that has no answer: the message goes on, or the client comes again.
 *
 * The sternest answer counts: refused for good, then refused for now, then held. What those that let it pass add
 * is kept together; the order of the configuration decides between equals.
 */
import { type Reply, reply } from "../mail/reply.ts";
import { mergeRanges } from "../mail/octet_range.ts";
import type { Signal } from "../spam/facts.ts";
import { CircuitBreaker } from "./circuit_breaker.ts";
import {
  filterFailure,
  type FilterFault,
  type FilterInput,
  type FilterOpinion,
  type FilterPass,
  type HeaderChanges,
  NOTHING_FOUND,
  type OutsideFilter,
} from "./filter.ts";
import type { OnFailure } from "./filter_address.ts";
import { FilterGate, type FilterGateLimits } from "./filter_gate.ts";

export interface ConfiguredFilter {
  readonly filter: OutsideFilter;
  readonly timeoutMs: number;
  readonly onFailure: OnFailure;
}

/** What became of one question, for metrics and log. */
export interface FilterOutcome {
  readonly filter: string;
  readonly outcome: "passed" | "quarantined" | "deferred" | "refused" | "failed" | "stopped";
  /** Of a failure; `null` otherwise. */
  readonly fault: FilterFault | null;
  readonly detail: string;
  readonly seconds: number;
  /** What our log knows the message by. */
  readonly id: string;
}

export interface FilterRunnerOptions {
  readonly filters: readonly ConfiguredFilter[];
  /** Monotonic ms. */
  readonly now: () => number;
  readonly onAnswered: (outcome: FilterOutcome) => void;
  /** Of each filter. */
  readonly limits?: FilterGateLimits;
}

export type FilterJudgement =
  | { readonly kind: "refused"; readonly filter: string; readonly reply: Reply }
  | {
    readonly kind: "passed";
    readonly signals: readonly Signal[];
    readonly quarantine: { readonly filter: string; readonly reason: string } | null;
    readonly changes: HeaderChanges;
  };

/** In a worker, for each filter: a message more is on its way to it once more at the most. */
const LIMITS: FilterGateLimits = { places: 32, octets: 64 * 1024 * 1024, maxWaiting: 512 };

/** Our own trouble, so the client comes again. */
const UNAVAILABLE = reply(451, "7.1", "A filter of ours is not available, try again later");
/** Time mends nothing here. */
const TOO_LARGE = reply(552, "3.4", "Message is too large for a filter of ours");

interface Lane extends ConfiguredFilter {
  readonly gate: FilterGate;
  readonly breaker: CircuitBreaker;
}

export class FilterRunner {
  readonly #lanes: readonly Lane[];
  readonly #options: FilterRunnerOptions;

  constructor(options: FilterRunnerOptions) {
    this.#options = options;
    this.#lanes = options.filters.map((configured) => ({
      ...configured,
      gate: new FilterGate(options.limits ?? LIMITS),
      breaker: new CircuitBreaker(),
    }));
  }

  /** Never rejects, and resolves within the longest of the filters' times. */
  async judge(message: FilterInput): Promise<FilterJudgement> {
    if (this.#lanes.length === 0) return combine([]);
    const stop = new AbortController();
    const answers = await Promise.all(this.#lanes.map(async (lane) => {
      const opinion = standIn(await this.#ask(lane, message, stop.signal), lane);
      // Nothing the others say would change it.
      if (opinion.kind === "refused" && opinion.reply.severity === "permanent") stop.abort();
      return { filter: lane.filter.name, opinion };
    }));
    return combine(answers);
  }

  async #ask(lane: Lane, message: FilterInput, stop: AbortSignal): Promise<FilterOpinion | null> {
    const { now, onAnswered } = this.#options;
    const startedMs = now();
    const opinion = lane.breaker.mayAsk(startedMs)
      ? await this.#askInTime(lane, message, stop)
      : filterFailure("resting", "it failed too often");
    onAnswered({
      filter: lane.filter.name,
      ...outcomeOf(opinion),
      seconds: (now() - startedMs) / 1000,
      id: message.id,
    });
    return opinion;
  }

  /** `null` when it was stopped. */
  async #askInTime(lane: Lane, message: FilterInput, stop: AbortSignal) {
    const { promise: over, resolve: end } = Promise.withResolvers<FilterOpinion | null>();
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort();
      end(filterFailure("late", `no answer within ${lane.timeoutMs} ms`));
    }, lane.timeoutMs);
    const onStop = () => {
      deadline.abort();
      end(null);
    };
    stop.addEventListener("abort", onStop, { once: true });
    if (stop.aborted) onStop();
    const opinion = await Promise.race([over, checkInTurn(lane, message, deadline.signal)]);
    clearTimeout(timer);
    stop.removeEventListener("abort", onStop);
    this.#learn(lane, opinion, message);
    return opinion;
  }

  #learn({ breaker }: Lane, opinion: FilterOpinion | null, message: FilterInput): void {
    if (opinion === null) return breaker.undecided();
    if (opinion.kind !== "failed") return breaker.succeeded();
    const { fault } = opinion;
    if (fault === "overloaded") return breaker.undecided();
    if (fault === "too_large") return breaker.succeeded();
    breaker.failed({
      nowMs: this.#options.now(),
      clientAddress: message.client.address,
      isDead: fault === "unreachable",
    });
  }
}

/** The place is given back when the filter is done, not when its time is over. */
async function checkInTurn(
  { filter, gate }: Lane,
  message: FilterInput,
  signal: AbortSignal,
): Promise<FilterOpinion> {
  const octets = message.octets.length;
  const admission = await gate.enter(octets, signal);
  if (admission === "full") return filterFailure("overloaded", "too many messages wait for it");
  if (admission === "aborted") return filterFailure("late", "it was not its turn in time");
  try {
    return await filter.check(message, signal);
  } catch (error) {
    return filterFailure("nonsense", String(error).slice(0, 200));
  } finally {
    gate.leave(octets);
  }
}

function outcomeOf(
  opinion: FilterOpinion | null,
): Pick<FilterOutcome, "outcome" | "fault" | "detail"> {
  const said = { fault: null, detail: "" };
  if (opinion === null) return { ...said, outcome: "stopped" };
  switch (opinion.kind) {
    case "passed":
      return opinion.quarantine === null
        ? { ...said, outcome: "passed" }
        : { ...said, outcome: "quarantined", detail: opinion.quarantine };
    case "refused": {
      const isForGood = opinion.reply.severity === "permanent";
      return {
        fault: null,
        outcome: isForGood ? "refused" : "deferred",
        detail: opinion.reply.text.slice(0, 200),
      };
    }
    case "failed":
      return { outcome: "failed", fault: opinion.fault, detail: opinion.detail };
  }
}

type Answered = FilterPass | { readonly kind: "refused"; readonly reply: Reply };

/** The opinion, or what is put in the place of one. */
function standIn(opinion: FilterOpinion | null, { filter, onFailure }: Lane): Answered {
  if (opinion !== null && opinion.kind !== "failed") return opinion;
  // Stopped: another filter has refused the message already.
  if (opinion === null) return NOTHING_FOUND;
  if (onFailure === "defer") {
    return { kind: "refused", reply: opinion.fault === "too_large" ? TOO_LARGE : UNAVAILABLE };
  }
  if (opinion.fault !== "too_large") return NOTHING_FOUND;
  const text = `Too large for ${filter.name} to look at`;
  return { ...NOTHING_FOUND, signals: [{ name: "FILTER_TOO_LARGE", points: 0, text }] };
}

function combine(
  answers: readonly { readonly filter: string; readonly opinion: Answered }[],
): FilterJudgement {
  let deferred: FilterJudgement | null = null;
  let quarantine: { readonly filter: string; readonly reason: string } | null = null;
  const passes: FilterPass[] = [];
  for (const { filter, opinion } of answers) {
    if (opinion.kind === "refused") {
      const refusal = { kind: "refused", filter, reply: opinion.reply } as const;
      if (opinion.reply.severity === "permanent") return refusal;
      deferred ??= refusal;
      continue;
    }
    passes.push(opinion);
    if (opinion.quarantine !== null) quarantine ??= { filter, reason: opinion.quarantine };
  }
  return deferred ?? {
    kind: "passed",
    signals: passes.flatMap(({ signals }) => signals),
    quarantine,
    changes: {
      onTop: passes.map(({ changes }) => changes.onTop).join(""),
      removed: mergeRanges(passes.flatMap(({ changes }) => changes.removed)),
    },
  };
}
