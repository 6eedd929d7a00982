/** What whoever minds the directory is told of faulty aliases, as metrics and log lines. */
import { ExpiringMap } from "../engine/login/expiring_map.ts";
import type { AliasFault } from "../engine/routing/expand.ts";
import { logOf } from "../engine/telemetry/log.ts";
import type { Metrics } from "../engine/telemetry/metrics.ts";

const TOLD_EVERY_MS = 60_000;
const MAX_TOLD = 1_000;
const MAX_SHOWN_TARGETS = 20;

/** Counts every fault and logs each once a minute, whoever sends to the alias how often. */
export function aliasFaultObserver(
  metrics: Metrics,
  options: { readonly now: () => number },
): (fault: AliasFault) => void {
  const log = logOf("routing");
  const told = new ExpiringMap<true>(MAX_TOLD, options.now);
  return (fault) => {
    metrics.aliasFaults.of({ fault: fault.kind }).inc();
    const { kind, alias } = fault;
    const dead = kind === "dead_targets" ? fault.targets : [];
    const targets = dead.slice(0, MAX_SHOWN_TARGETS).join(", ");
    // Not by the alias, for which clients make up details, or any name where there is a catch-all.
    const key = `${kind} ${targets}`;
    if (told.get(key)) return;
    told.set(key, true, TOLD_EVERY_MS);
    switch (kind) {
      case "dead_targets":
        return log.warning("{alias} leads to nobody by {targets}", {
          alias,
          targets,
          dead: dead.length,
        });
      case "too_large":
        return log.error("{alias} leads to too many addresses: its mail is refused", { alias });
      case "too_deep":
        return log.error("{alias} leads through too many aliases: its mail is refused", { alias });
    }
  };
}
