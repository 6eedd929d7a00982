/** The database as the main thread keeps it: the operator's, waited for at start, or the embedded one. */
import { DataDirInUseError } from "../store/data_dir_lock.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../store/pglite_host.ts";
import type { PostgresTarget } from "../store/postgres_client.ts";

export interface DatabaseOptions {
  readonly databaseUrl: string | null;
  readonly dataDir: string;
  /** Another process holds the data directory, and is waited for; called once. */
  readonly onWaiting: (error: DataDirInUseError) => void;
  /** The embedded database died and starts over. */
  readonly onRestart: (error: Error) => void;
}

export interface Database extends AsyncDisposable {
  readonly target: PostgresTarget;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 10_000;
/** How long a command that holds the data directory may take. */
const COMMAND_MS = 30_000;
const COMMAND_POLL_MS = 100;

/**
 * Opens it; the embedded one is started again whenever it ends by itself.
 * @throws {DataDirInUseError} when another process keeps the data directory.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { databaseUrl } = options;
  if (databaseUrl !== null) {
    return {
      target: { kind: "url", url: databaseUrl },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const keeper = new EmbeddedKeeper(options);
  const { socketPath } = await whenFree(() => keeper.start(), options.onWaiting);
  return {
    target: { kind: "embedded", socketPath },
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  };
}

async function whenFree<T>(
  start: () => Promise<T>,
  onWaiting: DatabaseOptions["onWaiting"],
): Promise<T> {
  const deadlineMs = performance.now() + COMMAND_MS;
  for (let isFirst = true;; isFirst = false) {
    try {
      return await start();
    } catch (error) {
      if (!(error instanceof DataDirInUseError) || performance.now() > deadlineMs) throw error;
      if (isFirst) onWaiting(error);
      await new Promise((resolve) => setTimeout(resolve, COMMAND_POLL_MS));
    }
  }
}

class EmbeddedKeeper implements AsyncDisposable {
  readonly #options: DatabaseOptions;
  readonly #stop = new AbortController();
  #running: EmbeddedPostgres | null = null;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  async start(): Promise<EmbeddedPostgres> {
    this.#running = await startEmbeddedPostgres({
      dataDir: this.#options.dataDir,
      signal: this.#stop.signal,
      onFatal: (error) => this.#restart(error),
    });
    this.#pauseMs = FIRST_PAUSE_MS;
    return this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.[Symbol.asyncDispose]();
    this.#stop.abort();
  }

  #restart(error: Error): void {
    if (this.#running === null && this.#stop.signal.aborted) return;
    this.#options.onRestart(error);
    setTimeout(() => {
      this.start().catch((reason) => {
        if (!this.#stop.signal.aborted) this.#restart(reason);
      });
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  }
}
