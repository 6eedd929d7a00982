/**
 * The main thread's door: accepts on every port, counts connections in all and by client, and hands each
 * on to a session worker. The only place that sees every connection.
 */
import type { ListenerName } from "../smtp/session.ts";
import type { AcceptedConnection } from "./ffi_listener.ts";
import { chooseWorker, clientNetwork } from "./shard.ts";
import type { HandedConnection } from "./wire.ts";

export type RefusedConnection = "per_ip" | "total" | "busy";

/** The listening sockets, as the acceptor sees them. */
export interface Door extends AsyncDisposable {
  /** Writes one short line to a connection and closes it. */
  sayGoodbye(fd: number, line: string): void;
}

export interface AcceptorOptions {
  /** Opens the listening sockets. @throws {Error} when a port cannot be bound. */
  readonly listen: (
    onConnections: (connections: readonly AcceptedConnection<ListenerName>[]) => void,
  ) => Door;
  readonly workers: number;
  readonly maxConnections: number;
  /** From one IPv4 address or IPv6 /64. */
  readonly maxPerClient: number;
  /** False when the worker is down. */
  readonly hand: (worker: number, connections: readonly HandedConnection[]) => boolean;
  /** How many connections this worker has adopted in its present, or else its last, life. */
  readonly adopted: (worker: number) => number;
  readonly onRefused: (reason: RefusedConnection, client: string) => void;
}

/** Connections handed to a worker that has not adopted them yet, in order. */
interface Transit {
  connections: HandedConnection[];
  /** Connections the worker adopted before these. */
  adopted: number;
}

const GOODBYE: Record<RefusedConnection, string> = {
  per_ip: "421 4.7.0 Too many connections from you\r\n",
  total: "421 4.3.2 Too many connections, try again later\r\n",
  busy: "421 4.3.2 Service not available, try again later\r\n",
};

export class Acceptor implements AsyncDisposable {
  readonly #options: AcceptorOptions;
  readonly #door: Door;
  /** Connections by worker; `null` while it is down. */
  readonly #loads: (number | null)[];
  /** Connections by client network, and of whom each worker holds how many. */
  readonly #clients = new Map<string, number>();
  readonly #held: Map<string, number>[];
  readonly #transit: Transit[];

  /** Accepts at once. @throws {Error} when a port cannot be bound. */
  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#loads = Array.from({ length: options.workers }, () => null);
    this.#held = Array.from({ length: options.workers }, () => new Map());
    this.#transit = Array.from(
      { length: options.workers },
      () => ({ connections: [], adopted: 0 }),
    );
    this.#door = options.listen((connections) => this.#admit(connections));
  }

  get openConnections(): number {
    return this.#loads.reduce<number>((sum, load) => sum + (load ?? 0), 0);
  }

  workerReady(worker: number): void {
    this.#loads[worker] = 0;
    this.#transit[worker] = { connections: [], adopted: 0 };
  }

  /** A worker died, and its connections with it; those it had not adopted are still ours to end. */
  workerGone(worker: number): void {
    this.#loads[worker] = null;
    for (const { fd, address } of this.#unadopted(worker)) this.#refuse(fd, "busy", address);
    this.#transit[worker].connections = [];
    for (const [client, count] of this.#held[worker]) this.#discount(client, count);
    this.#held[worker].clear();
  }

  connectionsClosed(worker: number, addresses: readonly string[]): void {
    const held = this.#held[worker];
    for (const address of addresses) {
      const client = clientNetwork(address);
      const count = held.get(client);
      if (count === undefined) continue;
      if (count === 1) held.delete(client);
      else held.set(client, count - 1);
      this.#discount(client, 1);
      this.#loads[worker] = Math.max(0, (this.#loads[worker] ?? 0) - 1);
    }
  }

  /** Stops accepting. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#door[Symbol.asyncDispose]();
  }

  #admit(connections: readonly AcceptedConnection<ListenerName>[]): void {
    const { maxConnections, maxPerClient } = this.#options;
    const batches = new Map<number, HandedConnection[]>();
    let open = this.openConnections;
    for (const { fd, listener, remote } of connections) {
      const client = clientNetwork(remote.address);
      const fromClient = this.#clients.get(client) ?? 0;
      const worker = chooseWorker(client, this.#loads);
      const refused = open >= maxConnections
        ? "total"
        : fromClient >= maxPerClient
        ? "per_ip"
        : worker < 0
        ? "busy"
        : null;
      if (refused !== null) {
        this.#refuse(fd, refused, remote.address);
        continue;
      }
      open++;
      this.#clients.set(client, fromClient + 1);
      this.#held[worker].set(client, (this.#held[worker].get(client) ?? 0) + 1);
      this.#loads[worker] = (this.#loads[worker] ?? 0) + 1;
      const batch = batches.get(worker) ?? [];
      batch.push({ fd, listener, address: remote.address, port: remote.port });
      batches.set(worker, batch);
    }
    for (const [worker, batch] of batches) this.#hand(worker, batch);
  }

  #hand(worker: number, batch: readonly HandedConnection[]): void {
    if (this.#options.hand(worker, batch)) {
      this.#unadopted(worker).push(...batch);
      return;
    }
    this.connectionsClosed(worker, batch.map(({ address }) => address));
    for (const { fd, address } of batch) this.#refuse(fd, "busy", address);
  }

  #unadopted(worker: number): HandedConnection[] {
    const transit = this.#transit[worker];
    const adopted = this.#options.adopted(worker);
    // The count may wrap.
    transit.connections.splice(0, (adopted - transit.adopted) | 0);
    transit.adopted = adopted;
    return transit.connections;
  }

  #refuse(fd: number, reason: RefusedConnection, client: string): void {
    this.#door.sayGoodbye(fd, GOODBYE[reason]);
    this.#options.onRefused(reason, client);
  }

  #discount(client: string, count: number): void {
    const left = (this.#clients.get(client) ?? 0) - count;
    if (left > 0) this.#clients.set(client, left);
    else this.#clients.delete(client);
  }
}
