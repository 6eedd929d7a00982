/** The running server: the pools of workers, the door, and what the main thread looks after. */
import type { Config } from "../config/schema.ts";
import { answerable } from "./runtime/readiness.ts";
import { Acceptor } from "./runtime/acceptor.ts";
import { FfiListener, type ListenerSpec } from "./runtime/ffi_listener.ts";
import { Housekeeper } from "./runtime/housekeeper.ts";
import { MetricsCollector } from "./runtime/metrics_collector.ts";
import type { FromWorker, SharedTarget, SpamKnowledge } from "./runtime/wire.ts";
import { WorkerPool } from "./runtime/worker_pool.ts";
import type { ListenerName } from "./smtp/session.ts";
import type { CertificateSet } from "./smtp/certificate_choice.ts";
import type { Counters } from "./store/counters.ts";
import type { Dispatch } from "./store/dispatch.ts";
import type { DmarcReports } from "./store/dmarc_reports.ts";
import type { Greylist } from "./store/greylist.ts";
import type { Meters } from "./store/meters.ts";
import { callChannel, type HubPort } from "./store/port_calls.ts";
import { serveCounters } from "./store/port_counters.ts";
import { serveDispatch } from "./store/port_dispatch.ts";
import { serveGreylist } from "./store/port_greylist.ts";
import { serveMeters } from "./store/port_meters.ts";
import type { PostgresTarget } from "./store/postgres_client.ts";
import type { Quarantine } from "./store/quarantine.ts";
import type { Spool } from "./store/spool.ts";
import { logOf } from "./telemetry/log.ts";
import { type Metrics, snapshot } from "./telemetry/metrics.ts";
import type { Readiness } from "./admin/http.ts";

export interface ServerOptions {
  readonly config: Config;
  readonly node: string;
  readonly database: PostgresTarget;
  readonly spool: Spool;
  readonly quarantine: Pick<Quarantine, "expire">;
  readonly dmarcReports: Pick<DmarcReports, "forget">;
  /** The main thread's dispatcher: a connection to Redis, or the one all workers share. */
  readonly dispatch: Dispatch;
  /** What the workers share in this process; unused where Redis has it. */
  readonly embedded: {
    readonly counters: Counters;
    readonly meters: Meters;
    readonly greylist: Greylist;
  };
  readonly secretKey: Uint8Array;
  readonly certificates: CertificateSet;
  readonly spamKnowledge: SpamKnowledge;
  readonly metrics: Metrics;
  readonly recordProcess: () => void;
}

const MAIN = "main";
/** A worker that cannot begin by then is no use waiting for. */
const START_TIMEOUT_MS = 60_000;

export class Server {
  readonly #options: ServerOptions;
  readonly #log = logOf("server");
  readonly #collector = new MetricsCollector();
  readonly #housekeeper: Housekeeper;
  readonly #deliveries: WorkerPool<Config>;
  readonly #sessions: WorkerPool<Config>;
  readonly #drained = new Set<string>();
  /** How many connections each session worker has adopted; the counter is shared with it. */
  readonly #adopted: Int32Array<SharedArrayBuffer>[] = [];
  #certificates: CertificateSet;
  #spamKnowledge: SpamKnowledge;
  #acceptor: Acceptor | null = null;
  #incarnations = 0;
  #onProgress: (() => void) | null = null;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#certificates = options.certificates;
    this.#spamKnowledge = options.spamKnowledge;
    const { config, spool, dispatch, quarantine, dmarcReports } = options;
    this.#housekeeper = new Housekeeper({
      spool,
      quarantine,
      dmarcReports,
      dispatch,
      historyMs: config.historyMs,
      now: Date.now,
      onError: (context, error) =>
        this.#log.error("{context}: {error}", { context, error: String(error) }),
      onExpired: (count) =>
        this.#log.warning("{count} held messages deleted: nobody decided about them in time", {
          event: "held_expired",
          count,
        }),
      onRequeued: (reason, count) =>
        this.#log.info("{count} deliveries requeued: {reason}", {
          event: "requeued",
          reason,
          count,
        }),
    });
    this.#deliveries = this.#pool("delivery", config.deliveryWorkers);
    this.#sessions = this.#pool("session", config.sessionWorkers);
  }

  /** Resolves once connections are accepted. */
  async start(): Promise<void> {
    const { config, metrics } = this.#options;
    await this.#housekeeper.rebuild();
    this.#housekeeper.start();
    await this.#until(() => this.#deliveries.areAllReady && this.#sessions.areAllReady);
    const acceptor = new Acceptor({
      listen: (onConnections) =>
        new FfiListener({
          listeners: listeners(config),
          onConnections,
          onError: (error) => this.#log.error("{error}", { error: error.message }),
        }),
      workers: this.#sessions.size,
      maxConnections: config.maxConnections,
      maxPerClient: config.maxConnectionsPerIp,
      hand: (worker, connections) =>
        this.#sessions.send(worker, { kind: "connections", connections }),
      adopted: (worker) => Atomics.load(this.#adopted[worker], 0),
      onRefused: (reason, client) => {
        metrics.connectionsRefused.of({ reason }).inc();
        this.#log.warning("connection from {client_ip} refused: {reason}", {
          event: "connection_refused",
          client_ip: client,
          reason,
        });
      },
    });
    for (let index = 0; index < this.#sessions.size; index++) acceptor.workerReady(index);
    this.#acceptor = acceptor;
  }

  /** Stops accepting, lets what is under way finish, and ends the workers, all within the grace. */
  async stop(): Promise<void> {
    const { config } = this.#options;
    const deadlineMs = Date.now() + config.shutdownGraceMs;
    await this.#acceptor?.[Symbol.asyncDispose]();
    this.#housekeeper[Symbol.dispose]();
    await this.#drain("session", this.#sessions, deadlineMs);
    await this.#drain("delivery", this.#deliveries, deadlineMs);
    this.#sessions[Symbol.dispose]();
    this.#deliveries[Symbol.dispose]();
  }

  /** Serves these certificates from the next handshake on. */
  useCertificates(certificates: CertificateSet): void {
    this.#certificates = certificates;
    this.#sessions.broadcast({ kind: "certificates", certificates });
  }

  /** Scores by it from the next message on. */
  useSpamKnowledge(spamKnowledge: SpamKnowledge): void {
    this.#spamKnowledge = spamKnowledge;
    this.#sessions.broadcast({ kind: "spam_knowledge", spamKnowledge });
  }

  async readiness(): Promise<Readiness> {
    const { spool, dispatch } = this.#options;
    const [database, dispatcher] = await Promise.all([
      answerable(() => spool.depth()),
      answerable(() => dispatch.depth()),
    ]);
    const workers = { ok: this.#sessions.areAllReady && this.#deliveries.areAllReady };
    const checks = { database, dispatcher, workers, listeners: { ok: this.#acceptor !== null } };
    return { ready: Object.values(checks).every(({ ok }) => ok), checks };
  }

  async metrics(): Promise<string> {
    const { metrics, spool, dispatch, recordProcess } = this.#options;
    recordProcess();
    await Promise.all([
      spool.depth().then((depth) => {
        for (const state of ["queued", "leased", "deferred", "held"] as const) {
          metrics.queueDeliveries.of({ state }).set(depth[state]);
        }
      }),
      dispatch.depth().then(({ ready, pending, retry }) => {
        const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
        metrics.dispatchEntries.of({ state: "ready" }).set(sum(ready));
        metrics.dispatchEntries.of({ state: "pending" }).set(sum(pending));
        metrics.dispatchEntries.of({ state: "retry" }).set(retry);
      }),
    ]).catch((error) => this.#log.error("metrics: {error}", { error: String(error) }));
    return await this.#collector.collect(await snapshot(metrics, MAIN), () => {
      const asked: string[] = [];
      for (const [kind, pool] of this.#pools()) {
        for (let index = 0; index < pool.size; index++) {
          if (pool.send(index, { kind: "measure" })) asked.push(`${kind}-${index}`);
        }
      }
      return asked;
    });
  }

  #pools(): [kind: "session" | "delivery", pool: WorkerPool<Config>][] {
    return [["session", this.#sessions], ["delivery", this.#deliveries]];
  }

  #pool(kind: "session" | "delivery", count: number): WorkerPool<Config> {
    const { config, database, node, metrics, secretKey } = this.#options;
    const owners: string[] = [];
    return new WorkerPool<Config>({
      count,
      module: new URL(`../workers/${kind}.ts`, import.meta.url),
      name: kind,
      start: (index) => {
        // A name of its own for every life, so that the leases of the one before can be told apart.
        owners[index] = `${node}/${kind}-${index}/${Date.now()}.${this.#incarnations++}`;
        const adopted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
        if (kind === "session") this.#adopted[index] = adopted;
        const [shared, transfer] = this.#sharedTarget();
        return [{
          kind: "start",
          index,
          config,
          stores: { database, shared },
          secretKey,
          certificates: this.#certificates,
          spamKnowledge: this.#spamKnowledge,
          owner: owners[index],
          adopted,
        }, transfer];
      },
      onMessage: (index, message) => this.#onMessage(kind, index, message),
      onReady: (index) => {
        this.#connect(kind, index);
        if (kind === "session") this.#acceptor?.workerReady(index);
        this.#onProgress?.();
      },
      onDeath: (index, error) => {
        this.#log.error("{kind} worker {index} died: {error}", { kind, index, error });
        metrics.workerRestarts.of({ kind }).inc();
        if (kind === "session") this.#acceptor?.workerGone(index);
        this.#collector.forget(`${kind}-${index}`);
        this.#housekeeper.bury(owners[index]).catch((reason) =>
          this.#log.error("abandon: {error}", { error: String(reason) })
        );
      },
    });
  }

  #sharedTarget(): [SharedTarget, Transferable[]] {
    const { config, dispatch, embedded } = this.#options;
    if (config.redisUrl !== null) return [{ kind: "redis", url: config.redisUrl }, []];
    const open = (serve: (hub: HubPort) => void): MessagePort => {
      const { hub, worker } = callChannel();
      serve(hub);
      return worker;
    };
    const ports = {
      dispatch: open((hub) => serveDispatch(hub, dispatch)),
      counters: open((hub) => serveCounters(hub, embedded.counters)),
      meters: open((hub) => serveMeters(hub, embedded.meters)),
      greylist: open((hub) => serveGreylist(hub, embedded.greylist)),
    };
    return [{ kind: "port", ports }, Object.values(ports)];
  }

  /** Lays the ways bodies take from session workers to delivery workers. */
  #connect(kind: "session" | "delivery", index: number): void {
    const [sessions, deliveries] = [this.#sessions, this.#deliveries];
    if (sessions === undefined || deliveries === undefined) return;
    const others = kind === "session" ? deliveries.size : sessions.size;
    for (let other = 0; other < others; other++) {
      const session = kind === "session" ? index : other;
      const delivery = kind === "session" ? other : index;
      if (!sessions.isReady(session) || !deliveries.isReady(delivery)) continue;
      const { port1, port2 } = new MessageChannel();
      sessions.send(session, { kind: "handoff", delivery, port: port1 }, [port1]);
      deliveries.send(delivery, { kind: "handoff", delivery, port: port2 }, [port2]);
    }
  }

  #onMessage(kind: "session" | "delivery", index: number, message: FromWorker): void {
    switch (message.kind) {
      case "closed":
        return this.#acceptor?.connectionsClosed(index, message.addresses);
      case "metrics":
        return this.#collector.receive(`${kind}-${index}`, message.snapshot);
      case "drained":
        this.#drained.add(`${kind}-${index}`);
        return this.#onProgress?.();
      case "ready":
    }
  }

  async #drain(
    kind: "session" | "delivery",
    pool: WorkerPool<Config>,
    deadlineMs: number,
  ): Promise<void> {
    const asked = Array.from({ length: pool.size }, (_, index) => index)
      .filter((index) => pool.send(index, { kind: "drain" }));
    const isDone = () => asked.every((index) => this.#drained.has(`${kind}-${index}`));
    await this.#until(isDone, deadlineMs - Date.now()).catch(() => {
      this.#log.warning("{kind} workers did not finish in time", { kind });
    });
  }

  /** Waits for a condition that worker messages bring about. */
  #until(condition: () => boolean, timeoutMs = START_TIMEOUT_MS): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error("Cannot start workers: they take too long")),
        Math.max(0, timeoutMs),
      );
      this.#onProgress = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#onProgress = null;
        resolve();
      };
      this.#onProgress();
    });
  }
}

function listeners(config: Config): ListenerSpec<ListenerName>[] {
  const ports = {
    smtp: config.smtpPort,
    submission: config.submissionPort,
    smtps: config.smtpsPort,
  };
  return (Object.keys(ports) as ListenerName[]).filter((name) => ports[name] !== 0).flatMap(
    (name) => config.listenAddresses.map((address) => ({ name, address, port: ports[name] })),
  );
}
