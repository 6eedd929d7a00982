/** What deliveries tell, as metrics and log lines. */
import type { CourierObserver } from "../engine/delivery/courier.ts";
import type { PoolObserver } from "../engine/delivery/destination.ts";
import type { QueryEvent } from "../engine/dns/stub_resolver.ts";
import { logMessage } from "../engine/telemetry/events.ts";
import { logOf } from "../engine/telemetry/log.ts";
import type { Metrics } from "../engine/telemetry/metrics.ts";

export function courierObserver(metrics: Metrics): CourierObserver {
  const log = logOf("delivery");
  const claim = metrics.stageSeconds.of({ stage: "claim" });
  const transaction = metrics.stageSeconds.of({ stage: "transaction" });
  return {
    claimed({ claimMs }) {
      claim.observe(claimMs / 1000);
    },
    attempted({ delivery, outcome, peer, startedAtMs, endedAtMs }, settlement) {
      transaction.observe((endedAtMs - startedAtMs) / 1000);
      const tls = peer?.tls ? "opportunistic" : "none";
      const kind = settlement.outcome === "released" ? "deferred" : settlement.outcome;
      metrics.deliveryAttempts.of({ outcome: kind, tls }).inc();
      const event = {
        queueId: delivery.message,
        forwardPath: delivery.forwardPath,
        mxHost: peer?.mxHost,
        status: outcome.enhancedStatus,
        reply: outcome.diagnostic,
        attempts: delivery.attempts + 1,
        delayMs: endedAtMs - delivery.queuedAtMs,
        tls: peer === null ? undefined : tls,
      };
      switch (settlement.outcome) {
        case "delivered":
          metrics.octetsSent.inc(delivery.sizeOctets);
          metrics.deliveryDelaySeconds.observe(event.delayMs / 1000);
          return logMessage.delivered(event);
        case "deferred":
          return logMessage.deferred({ ...event, nextAttemptAtMs: settlement.nextAttemptAtMs });
        case "failed":
          return logMessage.failed({
            ...event,
            status: settlement.attempt.enhancedStatus,
            reply: settlement.attempt.diagnostic,
          });
      }
    },
    failed(context, error) {
      log.error("{context}: {error}", { context, error: String(error) });
    },
  };
}

export function poolObserver(metrics: Metrics): PoolObserver {
  const opened = metrics.poolAcquisitions.of({ kind: "opened" });
  const reused = metrics.poolAcquisitions.of({ kind: "reused" });
  return { opened: () => opened.inc(), closed: () => {}, reused: () => reused.inc() };
}

export function dnsObserver(metrics: Metrics): (event: QueryEvent) => void {
  return ({ outcome, via }) =>
    metrics.dnsQueries.of({ outcome, from: via === "network" ? "network" : "cache" }).inc();
}

/** The same work, with the time it takes observed. */
export function timed<Input extends unknown[], Output>(
  metrics: Metrics,
  stage: "connect" | "settle",
  work: (...input: Input) => Promise<Output>,
): (...input: Input) => Promise<Output> {
  const series = metrics.stageSeconds.of({ stage });
  return async (...input) => {
    const startedMs = performance.now();
    try {
      return await work(...input);
    } finally {
      series.observe((performance.now() - startedMs) / 1000);
    }
  };
}
