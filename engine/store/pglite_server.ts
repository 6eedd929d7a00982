/**
 * Worker: the embedded database and its server on a unix socket. Accepts, bounds the number of
 * connections, does maintenance, and tells the main thread when the database has ended. One worker, one
 * session; see `pglite_session.ts` for what its clients share.
 */
import { type ConnectionLimits, PgliteConnection } from "./pglite_connection.ts";
import { MaintenanceSchedule, VACUUM_CANDIDATE } from "./pglite_maintenance.ts";
import { PgliteSession } from "./pglite_session.ts";
import { Turns } from "./pglite_turns.ts";
import { simpleQuery } from "./pg_frames.ts";

export interface ServerOptions extends ConnectionLimits {
  readonly dataDir: string;
  readonly socketPath: string;
  readonly maxConnections: number;
}

export type ServerCommand =
  | { readonly kind: "open"; readonly options: ServerOptions }
  | { readonly kind: "close" };

export type ServerReport =
  | { readonly kind: "ready" }
  /** Did not start, or ended: of no use any more. */
  | { readonly kind: "fatal"; readonly message: string }
  | { readonly kind: "closed" };

const MAINTENANCE_TICK_MS = 5_000;

class PgliteServer implements AsyncDisposable {
  readonly #session: PgliteSession;
  readonly #options: ServerOptions;
  readonly #turns = new Turns<unknown>();
  readonly #schedule = new MaintenanceSchedule(Date.now());
  readonly #connections = new Map<PgliteConnection, Promise<void>>();
  readonly #listener: Deno.Listener<Deno.UnixConn>;
  readonly #onFatal: (error: unknown) => void;
  readonly #tick: ReturnType<typeof setInterval>;
  #chores: Promise<void> | null = null;

  constructor(
    session: PgliteSession,
    options: ServerOptions,
    onFatal: (error: unknown) => void,
  ) {
    this.#session = session;
    this.#options = options;
    this.#onFatal = onFatal;
    this.#listener = Deno.listen({ transport: "unix", path: options.socketPath });
    Deno.chmodSync(options.socketPath, 0o600);
    this.#accept().catch(onFatal);
    this.#tick = setInterval(() => this.#maintain(), MAINTENANCE_TICK_MS);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      const limits = this.#options;
      const connection = new PgliteConnection(conn, {
        session: this.#session,
        turns: this.#turns,
        limits,
        admitted: this.#connections.size < limits.maxConnections,
        onRun: (octets) => {
          if (this.#schedule.ran(octets)) this.#maintain();
        },
      });
      const served = connection.serve()
        .catch(this.#onFatal)
        .finally(() => this.#connections.delete(connection));
      this.#connections.set(connection, served);
    }
  }

  #maintain(): void {
    this.#chores ??= this.#doChores()
      .catch(this.#onFatal)
      .finally(() => this.#chores = null);
  }

  async #doChores(): Promise<void> {
    for (let chore; (chore = this.#schedule.due(Date.now())) !== null;) {
      await this.#turns.take(this);
      try {
        const statement = chore === "checkpoint" ? "CHECKPOINT" : this.#ask(VACUUM_CANDIDATE);
        if (statement !== null) this.#session.run(simpleQuery(statement), () => {});
      } finally {
        this.#turns.giveBack(this);
      }
    }
  }

  /** The text of a query's one value; `null` when it gives no row. */
  #ask(query: string): string | null {
    const chunks: number[] = [];
    this.#session.run(simpleQuery(query), (octets) => chunks.push(...octets));
    const answer = Uint8Array.from(chunks);
    const view = new DataView(answer.buffer);
    for (let at = 0; at + 5 <= answer.length; at += 1 + view.getInt32(at + 1)) {
      if (answer[at] !== 0x44) continue;
      const length = view.getInt32(at + 7);
      return new TextDecoder().decode(answer.subarray(at + 11, at + 11 + length));
    }
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#tick);
    this.#listener.close();
    for (const connection of this.#connections.keys()) connection.close();
    await Promise.all([...this.#connections.values(), this.#chores]);
    await this.#session.close();
  }
}

/** The worker's side of the messages; `self` has the type of a window to the type checker. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ServerCommand>) => void) | null;
  postMessage(report: ServerReport): void;
}

const scope = self as unknown as WorkerScope;
const report = (message: ServerReport) => scope.postMessage(message);
const fatal = (error: unknown) =>
  report({ kind: "fatal", message: error instanceof Error ? error.message : String(error) });

scope.onmessage = async ({ data: opening }) => {
  if (opening.kind !== "open") return;
  try {
    const session = await PgliteSession.open(opening.options.dataDir);
    const server = new PgliteServer(session, opening.options, fatal);
    scope.onmessage = () =>
      server[Symbol.asyncDispose]().then(() => report({ kind: "closed" }), fatal);
    report({ kind: "ready" });
  } catch (error) {
    fatal(error);
  }
};
