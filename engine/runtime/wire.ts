/**
 * Every message between the main thread and its workers. `postMessage` has no back-pressure, so each
 * kind says what bounds it. Times are Unix milliseconds (`Temporal` does not survive the crossing).
 */
import type { ListenerName } from "../smtp/session.ts";
import type { BayesSnapshot } from "../spam/bayes.ts";
import type { CertificateSet } from "../smtp/certificate_choice.ts";
import type { PostgresTarget } from "../store/postgres_client.ts";
import type { MetricsSnapshot } from "../telemetry/metrics.ts";

/** How a worker reaches what all workers share: Redis, or the main thread's own through a port each. */
export type SharedTarget =
  | { readonly kind: "redis"; readonly url: string }
  | { readonly kind: "port"; readonly ports: SharedPorts };

/** A port to each of the main thread's own stores. */
export interface SharedPorts {
  readonly dispatch: MessagePort;
  readonly counters: MessagePort;
  readonly meters: MessagePort;
  readonly greylist: MessagePort;
}

export interface Stores {
  readonly database: PostgresTarget;
  readonly shared: SharedTarget;
}

/** What mail is scored by that changes while the server runs. */
export interface SpamKnowledge {
  /** Over shared memory. */
  readonly bayes: BayesSnapshot;
  readonly localDomains: readonly string[];
}

/** A connection on its way to a session worker, which owns the descriptor from then on. */
export interface HandedConnection {
  readonly fd: number;
  readonly listener: ListenerName;
  readonly address: string;
  readonly port: number;
}

/** Main thread to any worker. `Config` is the composition root's own. */
export type ToWorker<Config> =
  /** Once, first. */
  | {
    readonly kind: "start";
    readonly index: number;
    readonly config: Config;
    readonly stores: Stores;
    /** 32 octets that open what is sealed in the database. */
    readonly secretKey: Uint8Array;
    readonly certificates: CertificateSet;
    readonly spamKnowledge: SpamKnowledge;
    /** Names the leases this worker takes, never used before. */
    readonly owner: string;
    /** One counter of the connections this worker adopted, read when it died. */
    readonly adopted: Int32Array<SharedArrayBuffer>;
  }
  /** Bounded by the connections the main thread admits. */
  | { readonly kind: "connections"; readonly connections: readonly HandedConnection[] }
  /** Once a delivery worker started: bodies for its shards go here. */
  | { readonly kind: "handoff"; readonly delivery: number; readonly port: MessagePort }
  | { readonly kind: "certificates"; readonly certificates: CertificateSet }
  /** To session workers, when some of it changed. */
  | { readonly kind: "spam_knowledge"; readonly spamKnowledge: SpamKnowledge }
  /** One at a time; answered by `metrics`. */
  | { readonly kind: "measure" }
  /** Once: finish what is under way, answer `drained`, then be terminated. */
  | { readonly kind: "drain" };

/** Any worker to the main thread. */
export type FromWorker =
  | { readonly kind: "ready" }
  /** Connections that ended, by client address; at most one message each 20 ms. */
  | { readonly kind: "closed"; readonly addresses: readonly string[] }
  | { readonly kind: "metrics"; readonly snapshot: MetricsSnapshot }
  | { readonly kind: "drained" };
