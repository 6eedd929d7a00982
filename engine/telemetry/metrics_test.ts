import assert from "node:assert/strict";
import { aggregate, createMetrics, type MetricsSnapshot, retire, snapshot } from "./metrics.ts";
import { processRecorder } from "./process_usage.ts";

/** A thread's snapshot as the main thread receives it. */
async function received(
  thread: string,
  use: (metrics: ReturnType<typeof createMetrics>) => void,
): Promise<MetricsSnapshot> {
  const metrics = createMetrics();
  use(metrics);
  return structuredClone(await snapshot(metrics, thread));
}

/** The value of one line of Prometheus text. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

Deno.test("createMetrics: every series exists at zero from the start", async () => {
  const text = await aggregate([await received("main", () => {})]);
  assert.equal(valueOf(text, 'smtp_connections_total{listener="smtps"}'), 0);
  assert.equal(
    valueOf(text, 'smtp_delivery_attempts_total{outcome="failed",tls="verified"}'),
    0,
  );
  assert.equal(valueOf(text, 'smtp_stage_duration_seconds_count{stage="commit"}'), 0);
  assert.match(text, /^# TYPE smtp_queue_deliveries gauge$/m);
});

Deno.test("createMetrics: threads do not share anything", async () => {
  const first = createMetrics();
  const second = createMetrics();
  first.octetsReceived.inc(5);
  assert.equal(valueOf(await second.registry.metrics(), "smtp_octets_received_total"), 0);
});

Deno.test("createMetrics: an undeclared label value is refused", () => {
  const metrics = createMetrics();
  assert.throws(
    // @ts-expect-error the compiler refuses it too
    () => metrics.connections.of({ listener: "pop3" }),
    { message: "listener=pop3 is not declared" },
  );
});

Deno.test("aggregate: adds counters and histograms over threads", async () => {
  const text = await aggregate([
    await received("session-1", (metrics) => {
      metrics.deliveryAttempts.of({ outcome: "delivered", tls: "none" }).inc(2);
      metrics.stageSeconds.of({ stage: "commit" }).observe(0.00004);
      metrics.commitBatch.observe(3);
    }),
    await received("session-2", (metrics) => {
      metrics.deliveryAttempts.of({ outcome: "delivered", tls: "none" }).inc();
      metrics.stageSeconds.of({ stage: "commit" }).observe(100);
      metrics.commitBatch.observe(4);
    }),
  ]);
  assert.equal(
    valueOf(text, 'smtp_delivery_attempts_total{outcome="delivered",tls="none"}'),
    3,
  );
  const stage = "smtp_stage_duration_seconds";
  assert.equal(valueOf(text, `${stage}_bucket{le="0.00005",stage="commit"}`), 1);
  assert.equal(valueOf(text, `${stage}_bucket{le="+Inf",stage="commit"}`), 2);
  assert.equal(valueOf(text, `${stage}_count{stage="commit"}`), 2);
  assert.equal(valueOf(text, "smtp_commit_batch_messages_sum"), 7);
});

Deno.test("aggregate: gauges are added or the greatest taken, as declared", async () => {
  const text = await aggregate([
    await received("main", (metrics) => {
      metrics.queueDeliveries.of({ state: "queued" }).set(7);
      metrics.poolConnections.of({ state: "idle" }).set(2);
      metrics.build.state({ version: "1.2.3", deno: "2.9.6" });
    }),
    await received("delivery-1", (metrics) => {
      metrics.poolConnections.of({ state: "idle" }).inc(4);
      metrics.poolConnections.of({ state: "idle" }).dec();
    }),
  ]);
  assert.equal(valueOf(text, 'smtp_queue_deliveries{state="queued"}'), 7);
  assert.equal(valueOf(text, 'smtp_pool_connections{state="idle"}'), 5);
  assert.equal(valueOf(text, 'smtp_build_info{version="1.2.3",deno="2.9.6"}'), 1);
});

Deno.test("aggregate: event-loop lag stays apart by thread", async () => {
  const text = await aggregate([
    await received("main", (metrics) => metrics.eventLoopLagSeconds.observe(0.002)),
    await received("session-1", (metrics) => metrics.eventLoopLagSeconds.observe(2)),
  ]);
  const lag = "smtp_event_loop_lag_seconds";
  assert.equal(valueOf(text, `${lag}_bucket{le="1",thread="main"}`), 1);
  assert.equal(valueOf(text, `${lag}_bucket{le="1",thread="session-1"}`), 0);
  assert.equal(valueOf(text, `${lag}_sum{thread="session-1"}`), 2);
});

Deno.test("retire: what a dead thread counted stays in the sum, its gauges go", async () => {
  const used = (metrics: ReturnType<typeof createMetrics>) => {
    metrics.messagesAccepted.of({ by: "inbound" }).inc(10);
    metrics.commitBatch.observe(10);
    metrics.eventLoopLagSeconds.observe(1);
    metrics.octetsInFlight.set(1000);
  };
  const gone = await retire([await received("session-1", used)]);
  const both = structuredClone(await retire([gone, await received("session-1", used)]));
  const text = await aggregate([both, await received("session-1", used)]);
  assert.equal(valueOf(text, 'smtp_messages_accepted_total{by="inbound"}'), 30);
  assert.equal(valueOf(text, "smtp_commit_batch_messages_sum"), 30);
  assert.equal(valueOf(text, 'smtp_event_loop_lag_seconds_count{thread="session-1"}'), 3);
  assert.equal(valueOf(text, "smtp_octets_in_flight"), 1000);
});

Deno.test("processRecorder: turns the process's accounts into counters that never step back", async () => {
  const accounts = [[2e6, 1e6], [1e6, 1e6], [5e6, 1.5e6]];
  let at = 0;
  const metrics = createMetrics();
  const record = processRecorder(metrics, () => ({
    cpuUserMicroseconds: accounts[at][0],
    cpuSystemMicroseconds: accounts[at++][1],
    residentOctets: 1234,
    openDescriptors: at === 1 ? 9 : null,
  }));
  for (const _ of accounts) record();
  const text = await metrics.registry.metrics();
  assert.equal(valueOf(text, 'smtp_process_cpu_seconds_total{mode="user"}'), 5);
  assert.equal(valueOf(text, 'smtp_process_cpu_seconds_total{mode="system"}'), 1.5);
  assert.equal(valueOf(text, "smtp_process_resident_memory_bytes"), 1234);
  assert.equal(valueOf(text, "smtp_process_open_descriptors"), 9);
});
