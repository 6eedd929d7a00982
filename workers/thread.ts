/** What the threads have in common: their first message, their log, their stores. */
import type { Config } from "../config/schema.ts";
import type { FromWorker, Stores, ToWorker } from "../engine/runtime/wire.ts";
import type { Counters } from "../engine/store/counters.ts";
import type { Dispatch } from "../engine/store/dispatch.ts";
import { fallbackCounters } from "../engine/store/fallback_counters.ts";
import { fallbackGreylist } from "../engine/store/fallback_greylist.ts";
import { fallbackMeters } from "../engine/store/fallback_meters.ts";
import type { Greylist } from "../engine/store/greylist.ts";
import { memoryCounters } from "../engine/store/memory_counters.ts";
import { memoryMeters } from "../engine/store/memory_meters.ts";
import type { Meters } from "../engine/store/meters.ts";
import { portCounters } from "../engine/store/port_counters.ts";
import { portDispatch } from "../engine/store/port_dispatch.ts";
import { portGreylist } from "../engine/store/port_greylist.ts";
import { portMeters } from "../engine/store/port_meters.ts";
import { redisCounters } from "../engine/store/redis_counters.ts";
import { redisDispatch } from "../engine/store/redis_dispatch.ts";
import { redisGreylist } from "../engine/store/redis_greylist.ts";
import { redisMeters } from "../engine/store/redis_meters.ts";
import { configureLog, type Log, logOf } from "../engine/telemetry/log.ts";
import { sampleLoopLag } from "../engine/telemetry/loop_lag.ts";
import { createMetrics, type Metrics, snapshot } from "../engine/telemetry/metrics.ts";

export type Message = ToWorker<Config>;
export type Start = Extract<Message, { kind: "start" }>;

export interface Thread {
  readonly start: Start;
  /** `session-0`, say. */
  readonly name: string;
  readonly metrics: Metrics;
  readonly log: Log;
}

// A worker's global scope, which Deno's types do not know apart from a window's.
const scope = self as unknown as {
  onmessage: ((event: MessageEvent<Message>) => void) | null;
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
};

export function tellMain(message: FromWorker): void {
  scope.postMessage(message);
}

/**
 * Waits for the first message, runs `begin`, and hands it all later ones. What `begin` or `onMessage`
 * throws ends the thread, which the main thread then replaces.
 */
export function runThread(
  kind: "session" | "delivery",
  begin: (thread: Thread) => Promise<(message: Message) => void>,
): void {
  scope.onmessage = ({ data }) => {
    if (data.kind !== "start") {
      throw new Error(`${kind} worker: expected "start", got ${data.kind}`);
    }
    const name = `${kind}-${data.index}`;
    const log = configureLog({
      level: data.config.logLevel,
      format: data.config.logFormat ?? "json",
      thread: name,
    });
    const metrics = createMetrics();
    sampleLoopLag({ observe: (lagSeconds) => metrics.eventLoopLagSeconds.observe(lagSeconds) });
    const early: Message[] = [];
    scope.onmessage = (event) => early.push(event.data);
    begin({ start: data, name, metrics, log }).then((onMessage) => {
      scope.onmessage = (event) => {
        if (event.data.kind !== "measure") return onMessage(event.data);
        snapshot(metrics, name).then((taken) => tellMain({ kind: "metrics", snapshot: taken }));
      };
      tellMain({ kind: "ready" });
      early.forEach(onMessage);
    }).catch((error) => {
      logOf(kind).error("worker cannot go on: {error}", { error: String(error) });
      log.flush();
      // Uncaught on purpose, see above.
      setTimeout(() => {
        throw error;
      });
    });
  };
}

export function openDispatch({ shared }: Stores, onError: (error: Error) => void): Dispatch {
  return shared.kind === "redis"
    ? redisDispatch({ url: shared.url, onError })
    : portDispatch(shared.ports.dispatch);
}

/** Counters that never fail: while the shared ones are away, this thread counts for itself. */
export function openCounters({ shared }: Stores, log: ReturnType<typeof logOf>): Counters {
  const onError = (error: Error) => log.debug("counters: {error}", { error: error.message });
  return fallbackCounters({
    shared: shared.kind === "redis"
      ? redisCounters({ url: shared.url, onError })
      : portCounters(shared.ports.counters),
    local: memoryCounters({ now: Date.now }),
    onFallback: (error) =>
      log.warning("this worker counts for itself: {error}", { error: error.message }),
    now: Date.now,
  });
}

/** Meters that never fail: while the shared ones are away, this thread measures for itself. */
export function openMeters({ shared }: Stores, log: ReturnType<typeof logOf>): Meters {
  const onError = (error: Error) => log.debug("meters: {error}", { error: error.message });
  return fallbackMeters({
    shared: shared.kind === "redis"
      ? redisMeters({ url: shared.url, onError })
      : portMeters(shared.ports.meters),
    local: memoryMeters({ now: Date.now }),
    onFallback: (error) =>
      log.warning("this worker keeps rates for itself: {error}", { error: error.message }),
    now: Date.now,
  });
}

/** A greylist that never fails: while it is away, nobody waits. */
export function openGreylist({ shared }: Stores, log: ReturnType<typeof logOf>): Greylist {
  const onError = (error: Error) => log.debug("greylist: {error}", { error: error.message });
  return fallbackGreylist({
    shared: shared.kind === "redis"
      ? redisGreylist({ url: shared.url, onError })
      : portGreylist(shared.ports.greylist),
    onFallback: (error) =>
      log.warning("nobody is greylisted for now: {error}", { error: error.message }),
    now: Date.now,
  });
}
