/** The operator's policy of a session worker, in a thread of its own beside it. */
import type { Config } from "../config/schema.ts";
import { PolicyRunner } from "../engine/filters/policy_runner.ts";
import { logOf } from "../engine/telemetry/log.ts";
import type { Metrics } from "../engine/telemetry/metrics.ts";

/** `null` without a policy. @throws {Error} with one readable line when the module does not load. */
export async function openPolicy(config: Config, metrics: Metrics): Promise<PolicyRunner | null> {
  const { policyModule } = config.judging;
  if (policyModule === null) return null;
  const log = logOf("policy");
  return await PolicyRunner.start({
    ...policyModule,
    thread: new URL("./policy.ts", import.meta.url),
    now: () => performance.now(),
    observer: {
      answered: ({ outcome, seconds }) =>
        metrics.filterSeconds.of({
          filter: "policy",
          outcome: outcome === "failed" ? "failed" : "answered",
        }).observe(seconds),
      failed: ({ hook, fault, detail }) => {
        const who = hook === null ? "the policy" : "policy hook {hook}";
        log.error(`${who} failed: {fault}, {detail}`, { hook: hook ?? "", fault, detail });
      },
    },
  });
}
