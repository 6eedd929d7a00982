/** What the whole process uses, brought into the main thread's metrics. */
import type { Metrics } from "./metrics.ts";

export interface ProcessUsage {
  /** Since the process started, all threads. */
  readonly cpuUserMicroseconds: number;
  readonly cpuSystemMicroseconds: number;
  readonly residentOctets: number;
  /** `null` where the system does not tell. */
  readonly openDescriptors: number | null;
}

/** Gives what to call before each snapshot of the main thread. */
export function processRecorder(
  metrics: Pick<Metrics, "processCpuSeconds" | "processResidentOctets" | "processOpenDescriptors">,
  read: () => ProcessUsage,
): () => void {
  const user = metrics.processCpuSeconds.of({ mode: "user" });
  const system = metrics.processCpuSeconds.of({ mode: "system" });
  let userMicroseconds = 0;
  let systemMicroseconds = 0;
  return () => {
    const usage = read();
    // The system's own accounts may step back by a tick; counters must not.
    user.inc(Math.max(0, usage.cpuUserMicroseconds - userMicroseconds) / 1e6);
    system.inc(Math.max(0, usage.cpuSystemMicroseconds - systemMicroseconds) / 1e6);
    userMicroseconds = Math.max(userMicroseconds, usage.cpuUserMicroseconds);
    systemMicroseconds = Math.max(systemMicroseconds, usage.cpuSystemMicroseconds);
    metrics.processResidentOctets.set(usage.residentOctets);
    if (usage.openDescriptors !== null) metrics.processOpenDescriptors.set(usage.openDescriptors);
  };
}
