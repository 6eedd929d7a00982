/**
 * Connections to Postgres, real or embedded, through one client library, and which of its errors mean
 * that the store is unavailable rather than that we asked for something wrong.
 *
 * Statements are prepared on both: on the embedded database an unprepared one takes two round trips with
 * the session held. Behind a pooler that cannot do that, `DATABASE_URL` says `?prepare=false`.
 */
import { createConnection, type NetConnectOpts, Socket } from "node:net";
import postgres from "postgres";
import { StoreUnavailableError } from "./errors.ts";

export type PostgresTarget =
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "embedded"; readonly socketPath: string };

export interface PostgresClientOptions {
  /** Connections at the most; they are opened when needed and kept. */
  readonly max: number;
  readonly applicationName: string;
  readonly connectTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Every statement of ours finds its rows by an index, and no plan depends on a value of ours. Left to
 * itself the planner scans tables that are small when it looks, and keeps to that while a queue grows
 * under it; or it plans each statement anew, which takes longer than running it. (A pooler in between
 * has to let these pass: PgBouncer's `ignore_startup_parameters`.)
 */
export const PLANNER_SETTINGS = {
  enable_seqscan: "off",
  jit: "off",
  plan_cache_mode: "force_generic_plan",
} as const;
/**
 * Nothing but blanks, which Postgres skips. When a connection ends in the same turn as something is
 * written to it, the library keeps that for the next one and, while there are less than 1024 octets,
 * waits for a timer that it stopped: its greeting would never leave. A longer one does at once.
 */
const ROOMY_GREETING = " ".repeat(1024);
/** Longest wait between two attempts to reconnect, in seconds. */
const MAX_BACKOFF_SECONDS = 2;

/** The hosts the library found in the URL, as its `socket` option gets them. */
interface Endpoints {
  readonly path?: string | false;
  readonly host: readonly string[];
  readonly port: readonly number[];
}

/**
 * A pool that connects when first used and again after every loss. Values of type bigint are strings.
 */
export function connectPostgres(
  target: PostgresTarget,
  options: PostgresClientOptions,
): postgres.Sql {
  const settings: postgres.Options<Record<string, never>> = {
    max: options.max,
    connect_timeout: (options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) / 1000,
    max_lifetime: null,
    idle_timeout: 0,
    fetch_types: false,
    onnotice: () => {},
    backoff: (retries: number) => Math.min(MAX_BACKOFF_SECONDS, 0.05 * 2 ** Math.min(retries, 10)),
    connection: {
      application_name: options.applicationName,
      ...PLANNER_SETTINGS,
      options: ROOMY_GREETING,
    },
  };
  // The library's types know neither `socket` nor what it is called with.
  const withSocket = (path: string | null) =>
    ({ ...settings, socket: socketFactory(path) }) as postgres.Options<Record<string, never>>;
  if (target.kind === "url") return postgres(target.url, withSocket(null));
  return postgres({
    ...withSocket(target.socketPath),
    host: "localhost",
    user: "postgres",
    database: "postgres",
    password: "",
    prepare: true,
    ssl: false,
  });
}

/**
 * `sql.begin`, save that nothing more is said over a connection that is gone: the library would write the
 * rollback to no socket, and throw where nobody can catch it. `isLost` tells, between two statements,
 * that the connection went meanwhile; then no further one may be run.
 */
export async function inTransaction<T>(
  sql: postgres.Sql,
  run: (tx: postgres.TransactionSql, isLost: () => boolean) => Promise<T>,
): Promise<T> {
  let isOver = false;
  const done = sql.begin(async (tx) => {
    try {
      return await run(tx, () => isOver);
    } catch (error) {
      // The loss has its own way to reject what `begin` answered.
      if (isOver || endsConnection(error)) await new Promise<never>(() => {});
      throw error;
    }
  }) as Promise<T>;
  try {
    return await done;
  } finally {
    isOver = true;
  }
}

/** Whether an error means that the connection is gone, or about to go (SQLSTATE 57P01 to 57P05). */
function endsConnection(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && (UNAVAILABLE_CODES.has(code) || code.startsWith("57P"));
}

/**
 * Makes sockets that do not hold back small packets. The library loses a connection for good when its
 * factory fails, so the socket is handed over while it still connects, and fails by its events.
 */
function socketFactory(socketPath: string | null): (endpoints: Endpoints) => Socket {
  let attempt = 0;
  return (endpoints) => {
    const path = socketPath ?? endpoints.path;
    if (path) return failingOnClose(createConnection({ path }));
    const index = attempt++ % endpoints.host.length;
    const address: NetConnectOpts = { host: endpoints.host[index], port: endpoints.port[index] };
    const socket = createConnection(address);
    socket.once("connect", () => socket.setNoDelay(true));
    // The library takes the name to check the server's certificate against from here.
    return Object.assign(failingOnClose(socket), address);
  };
}

/**
 * Every close is an error first, heard before the library's own listener for the close: that one forgets
 * queries begun since an error before, and runs into its own null amid a COPY.
 */
function failingOnClose(socket: Socket): Socket {
  socket.once("close", () => {
    if (socket.listenerCount("error") === 0) return;
    socket.emit("error", new ConnectionClosedError("the connection was closed"));
  });
  return socket;
}

class ConnectionClosedError extends Error {
  readonly code = "CONNECTION_CLOSED";
}

/** SQLSTATE classes: connection, resources, operator intervention, system, internal. */
const UNAVAILABLE_CLASSES = new Set(["08", "53", "57", "58", "XX"]);
/** Also ours to wait for: a server that is read-only after a failover, and serialisation trouble. */
const UNAVAILABLE_STATES = new Set(["25006", "25P03", "40001", "40P01", "55P03"]);
const UNAVAILABLE_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "CONNECT_TIMEOUT",
  "CONNECTION_CONNECT_TIMEOUT",
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "EMFILE",
  "ENETUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/**
 * `StoreUnavailableError` when the database did not answer or is in trouble of its own, so that asking
 * again later may help; the error itself otherwise.
 */
export function asStoreError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string") return error;
  const unavailable = UNAVAILABLE_CODES.has(code) || UNAVAILABLE_STATES.has(code) ||
    (/^[0-9A-Z]{5}$/.test(code) && UNAVAILABLE_CLASSES.has(code.slice(0, 2)));
  return unavailable
    ? new StoreUnavailableError(`the database is unavailable: ${error.message}`, { cause: error })
    : error;
}
