/**
 * Worker: the embedded database and its server on a unix socket. Accepts, bounds the number of
 * connections, does maintenance, and tells the main thread when the database has ended. One worker, one
 * session; see `pglite_session.ts` for what its clients share.
 */
import { type ConnectionLimits, PgliteConnection } from "./pglite_connection.ts";
import { MaintenanceSchedule, VACUUM_CANDIDATE } from "./pglite_maintenance.ts";
import { PgliteSession } from "./pglite_session.ts";
import { Turns } from "./pglite_turns.ts";
import { readAnswer, simpleQuery } from "./pg_frames.ts";

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
  /** Maintenance failed; the database works, and it is tried again. */
  | { readonly kind: "trouble"; readonly message: string }
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
        if (statement !== null) this.#ask(statement);
      } finally {
        this.#turns.giveBack(this);
      }
    }
  }

  /** The text of a query's one value; `null` when it gives no row, or fails, which is reported. */
  #ask(query: string): string | null {
    const octets: number[] = [];
    this.#session.run(simpleQuery(query), (chunk) => octets.push(...chunk));
    const answer = readAnswer(Uint8Array.from(octets));
    if (answer.error !== null) report({ kind: "trouble", message: `${query}: ${answer.error}` });
    return answer.value;
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
