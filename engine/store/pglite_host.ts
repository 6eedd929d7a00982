/**
 * Starts and stops the embedded database for the main thread: takes the data directory, runs the
 * server in a worker of its own, and says when it has ended. Does not restart it: whoever holds it
 * starts another one at the same place, and clients find it by themselves.
 */
import { relative, resolve } from "node:path";
import { DataDirLock } from "./data_dir_lock.ts";
import type { ServerCommand, ServerOptions, ServerReport } from "./pglite_server.ts";

export interface EmbeddedPostgresOptions {
  readonly dataDir: string;
  /** Ends the database, also while it starts. */
  readonly signal?: AbortSignal;
  /** Called once when the database ends by itself; everything is released by then. */
  readonly onFatal: (error: Error) => void;
  /** Called when maintenance failed; it is tried again by itself. */
  readonly onTrouble?: (message: string) => void;
  /** Another name than `embeddedSocketPath` tells everybody, for a database nobody else shall use. */
  readonly socketName?: string;
  readonly limits?: Partial<Omit<ServerOptions, "dataDir" | "socketPath">>;
}

export interface EmbeddedPostgres extends AsyncDisposable {
  /** Where clients of this process and this user find it. */
  readonly socketPath: string;
}

const DEFAULT_LIMITS = {
  maxConnections: 64,
  idleMs: 30_000,
  maxStepOctets: 64 * 1024 * 1024,
  maxOutputOctets: 256 * 1024 * 1024,
};
const CLOSE_DEADLINE_MS = 30_000;
/** What `sun_path` holds on every system we know. */
const MAX_SOCKET_PATH_OCTETS = 103;

const SOCKET_NAME = "postgres.sock";

/** The socket of the database in `dataDir`, whether it runs or not. */
export function embeddedSocketPath(dataDir: string, socketName: string = SOCKET_NAME): string {
  const absolute = resolve(dataDir, socketName);
  const shorter = relative(Deno.cwd(), absolute);
  const path = octets(absolute) <= MAX_SOCKET_PATH_OCTETS ? absolute : shorter;
  if (octets(path) > MAX_SOCKET_PATH_OCTETS) {
    throw new Error(`DATA_DIR is too long a path for a unix socket: ${absolute}`);
  }
  return path;
}

/**
 * Resolves when clients can connect; the first start takes seconds.
 * @throws {DataDirInUseError}
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  options.signal?.throwIfAborted();
  const socketPath = embeddedSocketPath(options.dataDir, options.socketName);
  await Deno.mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const lock = await DataDirLock.acquire(options.dataDir);
  try {
    await removeSocket(socketPath);
    // Who gave up during the steps above is not heard by a listener put up now.
    options.signal?.throwIfAborted();
    const host = new WorkerHost(socketPath, lock, options);
    await host.ready;
    return host;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

class WorkerHost implements EmbeddedPostgres {
  readonly socketPath: string;
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #lock: DataDirLock;
  readonly #options: EmbeddedPostgresOptions;
  readonly #started = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #state: "starting" | "running" | "closing" | "ended" = "starting";

  constructor(socketPath: string, lock: DataDirLock, options: EmbeddedPostgresOptions) {
    this.socketPath = socketPath;
    this.#lock = lock;
    this.#options = options;
    this.ready = this.#started.promise;
    this.#worker = new Worker(new URL("./pglite_server.ts", import.meta.url), {
      type: "module",
      name: "embedded-postgres",
    });
    this.#worker.onmessage = ({ data }: MessageEvent<ServerReport>) => this.#onReport(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#onReport({ kind: "fatal", message: event.message });
    };
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#send({
      kind: "open",
      options: {
        dataDir: resolve(options.dataDir),
        socketPath,
        ...DEFAULT_LIMITS,
        ...options.limits,
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === "running") {
      this.#state = "closing";
      this.#send({ kind: "close" });
      const deadline = setTimeout(() => this.#closed.resolve(), CLOSE_DEADLINE_MS);
      await this.#closed.promise;
      clearTimeout(deadline);
      this.#end();
      await removeSocket(this.socketPath);
    } else if (this.#state === "closing") {
      await this.#closed.promise;
    }
  }

  readonly #onAbort = (): void => {
    if (this.#state === "starting") {
      this.#end();
      this.#started.reject(this.#options.signal?.reason);
    } else {
      this[Symbol.asyncDispose]().catch((error) => this.#options.onFatal(error));
    }
  };

  #onReport(report: ServerReport): void {
    switch (report.kind) {
      case "ready":
        if (this.#state === "starting") this.#state = "running";
        this.#started.resolve();
        break;
      case "closed":
        this.#closed.resolve();
        break;
      case "trouble":
        this.#options.onTrouble?.(report.message);
        break;
      case "fatal": {
        const before = this.#state;
        const error = new Error(report.message);
        if (before === "closing") this.#closed.resolve();
        if (before === "starting" || before === "running") this.#end();
        if (before === "starting") this.#started.reject(error);
        if (before === "running") this.#options.onFatal(error);
      }
    }
  }

  #end(): void {
    this.#state = "ended";
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#worker.terminate();
    this.#lock[Symbol.dispose]();
  }

  #send(command: ServerCommand): void {
    this.#worker.postMessage(command);
  }
}

async function removeSocket(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function octets(text: string): number {
  return new TextEncoder().encode(text).length;
}
