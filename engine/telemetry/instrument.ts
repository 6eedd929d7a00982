/**
 * What a metric is, and how a thread makes its own from a declaration. Labels take their values from
 * closed lists, so that no peer can add a series; each series exists, at zero, from the start, and is
 * bound once, so that counting costs no lookup by text.
 */
import { Counter, exponentialBuckets, Gauge, Histogram, type Registry } from "prom-client";

export type LabelLists = Readonly<Record<string, readonly string[]>>;
export type LabelValues<L extends LabelLists> = { readonly [Name in keyof L]: L[Name][number] };

/**
 * How the values of several threads become one: added, the greatest, or kept apart under the label
 * `thread`.
 */
export type Across = "sum" | "max" | "thread";

interface Common<L extends LabelLists> {
  readonly name: `smtp_${string}`;
  readonly help: string;
  /** What to make of its values: when to look closer, and where. */
  readonly reading: string;
  readonly labels?: L;
  readonly across?: Across;
}

interface HistogramOptions<L extends LabelLists> extends Common<L> {
  /** Upper bounds, rising. */
  readonly buckets: readonly number[];
}

type Kinds = "counter" | "gauge" | "histogram" | "info";

export interface Declaration<
  Kind extends Kinds = Kinds,
  L extends LabelLists = LabelLists,
> {
  readonly kind: Kind;
  readonly name: string;
  readonly help: string;
  readonly reading: string;
  readonly labels: L;
  readonly across: Across;
  readonly buckets: readonly number[];
}

// deno-lint-ignore ban-types -- no labels at all
type None = {};

/** Declares something that only rises. Across threads it is added. */
export function counter<const L extends LabelLists = None>(
  options: Common<L>,
): Declaration<"counter", L> {
  return declare("counter", { ...options, buckets: [] });
}

/** Declares something that rises and falls. */
export function gauge<const L extends LabelLists = None>(
  options: Common<L>,
): Declaration<"gauge", L> {
  return declare("gauge", { ...options, buckets: [] });
}

/** Declares a distribution. */
export function histogram<const L extends LabelLists = None>(
  options: HistogramOptions<L>,
): Declaration<"histogram", L> {
  return declare("histogram", options);
}

/** Declares facts that the process states about itself once, as labels of a 1. */
export function info<const Name extends string>(
  options: Omit<Common<LabelLists>, "labels" | "across"> & { readonly labels: readonly Name[] },
): Declaration<"info", { readonly [Label in Name]: readonly string[] }> {
  const labels = Object.fromEntries(options.labels.map((label) => [label, []]));
  return declare("info", {
    ...options,
    labels: labels as unknown as { readonly [Label in Name]: readonly string[] },
    across: "max",
    buckets: [],
  });
}

function declare<Kind extends Declaration["kind"], L extends LabelLists>(
  kind: Kind,
  options: HistogramOptions<L>,
): Declaration<Kind, L> {
  const { name, help, reading, across = "sum", buckets } = options;
  return Object.freeze({
    kind,
    name,
    help,
    reading,
    across,
    buckets,
    labels: options.labels ?? {} as L,
  });
}

/** Upper bounds from `least`, each twice the one before. */
export function doubling(least: number, count: number): number[] {
  return exponentialBuckets(least, 2, count);
}

export interface CounterSeries {
  inc(by?: number): void;
}
export interface GaugeSeries {
  inc(by?: number): void;
  dec(by?: number): void;
  set(value: number): void;
}
export interface HistogramSeries {
  observe(value: number): void;
}

/** Takes its label values when the process starts; a second call replaces the first. */
export interface InfoSeries<L extends LabelLists> {
  state(labels: LabelValues<L>): void;
}

type Series = { counter: CounterSeries; gauge: GaugeSeries; histogram: HistogramSeries };

/** A declaration at work: its only series, or with labels the way to each of them. */
export type Instrument<D extends Declaration> = D extends Declaration<infer Kind, infer L>
  ? Kind extends keyof Series ? keyof L extends never ? Series[Kind]
    : { of(labels: LabelValues<L>): Series[Kind] }
  : InfoSeries<L>
  : never;

/** Makes a declaration work in a registry. */
export function instrument<D extends Declaration>(declared: D, registry: Registry): Instrument<D> {
  const { name, help, across } = declared;
  const labelNames = Object.keys(declared.labels);
  const common = {
    name,
    help,
    labelNames,
    registers: [registry],
    // Threads that stay apart differ in a label, so that adding leaves them as they are.
    aggregator: across === "max" ? "max" as const : "sum" as const,
  };
  let bind: (labels: Record<string, string>) => Series[keyof Series];
  switch (declared.kind) {
    case "counter": {
      const metric = new Counter(common);
      bind = (labels) => {
        metric.inc(labels, 0);
        return metric.labels(labels);
      };
      break;
    }
    case "gauge": {
      const metric = new Gauge(common);
      bind = (labels) => {
        metric.set(labels, 0);
        return metric.labels(labels);
      };
      break;
    }
    case "histogram": {
      const metric = new Histogram({ ...common, buckets: [...declared.buckets] });
      bind = (labels) => {
        metric.zero(labels);
        return metric.labels(labels);
      };
      break;
    }
    case "info":
      return infoSeries(new Gauge(common)) as Instrument<D>;
  }
  const series = labelNames.length === 0 ? bind({}) : seriesByLabels(declared.labels, bind);
  return series as Instrument<D>;
}

function infoSeries(metric: Gauge): InfoSeries<LabelLists> {
  return {
    state(labels) {
      metric.reset();
      metric.set(labels, 1);
    },
  };
}

type Tree<T> = { [value: string]: T | Tree<T> };

/** Binds each combination of label values; a lookup follows one property for each label. */
function seriesByLabels<T>(
  lists: LabelLists,
  bind: (labels: Record<string, string>) => T,
): { of(labels: Record<string, string>): T } {
  const names = Object.keys(lists);
  const grow = (depth: number, labels: Record<string, string>): T | Tree<T> => {
    if (depth === names.length) return bind(labels);
    const branch: Tree<T> = Object.create(null);
    for (const value of lists[names[depth]]) {
      branch[value] = grow(depth + 1, { ...labels, [names[depth]]: value });
    }
    return branch;
  };
  const tree = grow(0, {});
  return {
    of(labels) {
      let node = tree;
      for (let depth = 0; depth < names.length; depth++) {
        node = (node as Tree<T>)[labels[names[depth]]];
        if (node === undefined) {
          throw new TypeError(`${names[depth]}=${labels[names[depth]]} is not declared`);
        }
      }
      return node as T;
    },
  };
}
