/**
 * Metrics at work. Each thread has its own; it sends snapshots as plain data and the main thread adds
 * them up, for prom-client knows processes, not threads. A thread that died leaves its counters
 * behind: `retire` keeps them in the sum, which would otherwise step back and look like a restart.
 */
import { AggregatorRegistry, Registry } from "prom-client";
import { type Declaration, type Instrument, instrument } from "./instrument.ts";
import { METRICS } from "./metrics_catalog.ts";

/** One thread's metrics. */
export type Metrics =
  & { readonly [Key in keyof typeof METRICS]: Instrument<(typeof METRICS)[Key]> }
  & { readonly registry: Registry };

/** Makes a thread's metrics, all of them at zero. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const entries = Object.entries(METRICS).map(([key, declared]) => {
    return [key, instrument(declared as Declaration, registry)] as const;
  });
  return Object.freeze({ ...Object.fromEntries(entries), registry }) as Metrics;
}

/** One line of a metric: histograms have several, under names of their own. */
interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: readonly Sample[];
}

/** A thread's metrics at one moment: plain data, fit for `postMessage`. */
export type MetricsSnapshot = readonly Family[];

const KEPT_APART = new Set(
  Object.values(METRICS as Record<string, Declaration>)
    .filter(({ across }) => across === "thread").map(({ name }) => name),
);

/** The present values of a thread called `thread`, such as `session-1`. */
export async function snapshot(
  metrics: { readonly registry: Registry },
  thread: string,
): Promise<MetricsSnapshot> {
  const families = await familiesOf(metrics.registry);
  return families.map((family) => ({
    ...family,
    values: family.values.map(({ value, labels, metricName }) => ({
      value,
      labels: KEPT_APART.has(family.name) ? { ...labels, thread } : { ...labels },
      ...(metricName === undefined ? {} : { metricName }),
    })),
  }));
}

/**
 * What remains of threads that ended: their counters and histograms, added up. Give it the sum so far
 * and the last snapshot of another; hand the result to `aggregate` with the living ones.
 */
export function retire(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  return familiesOf(
    combine(snapshots.map((each) => each.filter(({ type }) => type !== "gauge"))),
  );
}

/** Prometheus text over all threads. */
export function aggregate(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return combine(snapshots).metrics();
}

function combine(snapshots: readonly MetricsSnapshot[]): Registry {
  return AggregatorRegistry.aggregate([...snapshots]);
}

/** prom-client types its JSON for its own enumerations, which it does not use in it. */
async function familiesOf(registry: Registry): Promise<readonly Family[]> {
  return await registry.getMetricsAsJSON() as unknown as readonly Family[];
}
