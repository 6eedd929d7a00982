/**
 * Every metric of the server, declared once; `metrics.ts` puts them to work. Times are seconds and sizes octets, as Prometheus has it.
 */
import { INBOUND_METRICS } from "./metrics_inbound.ts";
import { counter, doubling, gauge, histogram, info } from "./instrument.ts";

const LISTENERS = ["smtp", "submission", "smtps"] as const;

/** 50 µs to 52 s. */
const STAGE_BOUNDS_S = doubling(0.00005, 21);

/** The declarations, by the name the code knows them by. */
export const METRICS = {
  // Connections and sessions.
  connections: counter({
    name: "smtp_connections_total",
    help: "Connections accepted, by listener.",
    reading: "Falls to nothing while the process runs: look at the listener and the firewall.",
    labels: { listener: LISTENERS },
  }),
  connectionsOpen: gauge({
    name: "smtp_connections_open",
    help: "Connections open now, by listener.",
    reading: "Near MAX_CONNECTIONS: clients hang, or there are more of them than foreseen.",
    labels: { listener: LISTENERS },
  }),
  connectionsRefused: counter({
    name: "smtp_connections_refused_total",
    help: "Connections closed before their session began, by reason.",
    reading: "per_ip is one busy client; total, busy and memory mean the server is too small.",
    labels: { reason: ["per_ip", "total", "busy", "memory", "shutdown", "policy"] },
  }),
  sessions: counter({
    name: "smtp_sessions_total",
    help: "Sessions ended, by protocol and TLS.",
    reading: "A rising share of none towards submission: clients that send passwords in the clear.",
    labels: { protocol: ["none", "smtp", "esmtp"], tls: ["none", "starttls", "implicit"] },
  }),

  logins: counter({
    name: "smtp_logins_total",
    help: "Logins tried, by mechanism and result.",
    reading:
      "refused and locked_out jump: somebody guesses. unavailable: look at Postgres, or at load.",
    labels: {
      method: ["PLAIN", "LOGIN", "CRAM-MD5"],
      result: ["granted", "refused", "locked_out", "unavailable"],
    },
  }),

  // Messages coming in.
  messagesAccepted: counter({
    name: "smtp_messages_accepted_total",
    help: "Messages committed to the spool, by what entitled their client.",
    reading: "The rate mail comes in; relay rises alone: a host in RELAY_NETWORKS runs wild.",
    labels: { by: ["inbound", "user", "relay", "local"] },
  }),
  recipientsAccepted: counter({
    name: "smtp_recipients_accepted_total",
    help: "Recipients of committed messages.",
    reading: "Over messages accepted: recipients a message. A jump: a mailing, or abuse.",
  }),
  messagesRefused: counter({
    name: "smtp_messages_refused_total",
    help: "Transactions refused, by reason.",
    reading: "store or memory: our own trouble, the client tries again. Others: see the log.",
    labels: {
      reason: [
        "size",
        "hops",
        "rate",
        "recipients",
        "relay",
        "sender",
        "syntax",
        "policy",
        "lists",
        "authentication",
        "greylist",
        "spam",
        "filter",
        "memory",
        "store",
      ],
    },
  }),
  aliasFaults: counter({
    name: "smtp_alias_faults_total",
    help: "Recipients that led to a faulty alias: to targets that are nobody, or to too many.",
    reading: "Ever rising: the log names the alias and the targets; see alias list.",
    labels: { fault: ["dead_targets", "too_large", "too_deep"] },
  }),
  octetsReceived: counter({
    name: "smtp_octets_received_total",
    help: "Octets of messages received.",
    reading: "Over messages accepted: the mean size.",
  }),
  octetsSent: counter({
    name: "smtp_octets_sent_total",
    help: "Octets of messages sent in delivery.",
    reading:
      "Far above received: one message to many destinations, or the same one again and again.",
  }),
  octetsInFlight: gauge({
    name: "smtp_octets_in_flight",
    help: "Octets of messages held in memory between socket and store.",
    reading:
      "Near SESSION_MEMORY_BYTES times the session workers: the store is slower than clients.",
  }),

  ...INBOUND_METRICS,

  // How long things take.
  stageSeconds: histogram({
    name: "smtp_stage_duration_seconds",
    help: "Time spent in each stage of a message's way.",
    reading:
      "The stage that grew is the one to look at: commit and claim are Postgres, connect and " +
      "transaction the other side.",
    labels: {
      stage: ["data", "commit", "claim", "connect", "transaction", "settle"],
    },
    buckets: STAGE_BOUNDS_S,
  }),
  commitBatch: histogram({
    name: "smtp_commit_batch_messages",
    help: "Messages committed together.",
    reading: "Near 1 under load: commits are quicker than mail. At its limit: the store is behind.",
    buckets: doubling(1, 10),
  }),
  deliveryDelaySeconds: histogram({
    name: "smtp_delivery_delay_seconds",
    help: "Time from acceptance to delivery, of delivered mail.",
    reading: "The median is the server's own speed; the tail is retries.",
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600, 14_400, 86_400, 432_000],
  }),

  // The queue.
  queueDeliveries: gauge({
    name: "smtp_queue_deliveries",
    help: "Deliveries in the spool, by state.",
    reading:
      "queued grows: too few delivery workers. deferred grows: destinations refuse or are away.",
    labels: { state: ["queued", "leased", "deferred", "held"] },
    across: "max",
  }),
  dispatchEntries: gauge({
    name: "smtp_dispatch_entries",
    help: "What the dispatcher holds: entries ready and pending, deliveries waiting for a retry.",
    reading: "pending without leased deliveries: entries of a dead worker, to be taken over soon.",
    labels: { state: ["ready", "pending", "retry"] },
    across: "max",
  }),

  // Delivery.
  deliveryAttempts: counter({
    name: "smtp_delivery_attempts_total",
    help: "Delivery attempts finished, by outcome and TLS strength.",
    reading: "Deferred above a third for ten minutes: look at the destination windows.",
    labels: {
      outcome: ["delivered", "deferred", "failed"],
      tls: ["none", "opportunistic", "verified"],
    },
  }),
  poolConnections: gauge({
    name: "smtp_pool_connections",
    help: "Delivery connections open, in use or idle.",
    reading:
      "Many idle: DELIVERY_IDLE_S is too long. All busy: CONNECTIONS_PER_DESTINATION limits.",
    labels: { state: ["busy", "idle"] },
  }),
  poolAcquisitions: counter({
    name: "smtp_pool_acquisitions_total",
    help: "Delivery connections taken, newly opened or used again.",
    reading:
      "Mostly opened under load to few destinations: the other side closes after each message.",
    labels: { kind: ["opened", "reused"] },
  }),
  dnsQueries: counter({
    name: "smtp_dns_queries_total",
    help: "DNS questions ended, by outcome and where the answer came from.",
    reading: "Above a few percent without an answer: the resolver is ill, and mail is deferred.",
    labels: {
      outcome: [
        "found",
        "nodata",
        "nxdomain",
        "servfail",
        "refused",
        "timeout",
        "malformed",
        "cname_loop",
        "unreachable",
        "overloaded",
      ],
      from: ["cache", "network"],
    },
  }),

  // Certificates.
  certificateExpiry: gauge({
    name: "smtp_certificate_expiry_timestamp_seconds",
    help: "When the first of the certificates served runs out, in Unix time.",
    reading: "Less than two weeks ahead of time(): renewal fails; see cert list.",
    across: "max",
  }),
  certificatesIssued: counter({
    name: "smtp_certificates_issued_total",
    help: "Certificates asked of the ACME issuer, by how it ended.",
    reading: "failed rises: see cert list for the reason; it is tried again each half hour.",
    labels: { outcome: ["issued", "failed"] },
  }),

  // The process.
  build: info({
    name: "smtp_build_info",
    help: "The version that runs, and its runtime.",
    reading: "Two versions at once for long: a deployment that stopped half way.",
    labels: ["version", "deno"],
  }),
  workerRestarts: counter({
    name: "smtp_worker_restarts_total",
    help: "Threads started again after they died, by kind.",
    reading: "Ever above 0: look for the error in the log.",
    labels: { kind: ["session", "delivery", "store"] },
  }),
  eventLoopLagSeconds: histogram({
    name: "smtp_event_loop_lag_seconds",
    help: "How late a thread's timer ran.",
    reading: "Above 0.1 s: the thread has more than it can do; above 1 s something blocks it.",
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    across: "thread",
  }),
  processCpuSeconds: counter({
    name: "smtp_process_cpu_seconds_total",
    help: "Processor time of all threads, by mode.",
    reading: "Its rate is the cores in use. Over messages accepted: the cost of a message.",
    labels: { mode: ["user", "system"] },
  }),
  processResidentOctets: gauge({
    name: "smtp_process_resident_memory_bytes",
    help: "Memory the process holds.",
    reading: "Rises without an end while the load is steady: a leak.",
    across: "max",
  }),
  processOpenDescriptors: gauge({
    name: "smtp_process_open_descriptors",
    help: "Descriptors the process holds, where the system tells.",
    reading: "Far above connections open, or near the limit of the system (ulimit -n): a leak.",
    across: "max",
  }),
} as const;

/** All metrics as a Markdown table. */
export function metricsTable(): string {
  const rows = Object.values(METRICS).map(({ name, kind, labels, help, reading }) => {
    const lists = Object.entries(labels as Record<string, readonly string[]>);
    const shown = lists.map(([label, values]) => `\`${label}\`: ${values.join(", ") || "any"}`)
      .join("; ");
    return `| \`${name}\` | ${kind} | ${shown} | ${help} | ${reading} |`;
  });
  return ["| name | kind | labels | what | reading |", "|---|---|---|---|---|", ...rows].join("\n");
}
