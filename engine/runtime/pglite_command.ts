/**
 * The database as a command has it that runs and ends: the operator's; without one the embedded one,
 * through the socket of a server that runs, or else opened for as long as the command takes.
 */
import { DataDirInUseError } from "../store/data_dir_lock.ts";
import { embeddedSocketPath, startEmbeddedPostgres } from "../store/pglite_host.ts";
import type { PostgresTarget } from "../store/postgres_client.ts";

export interface CommandDatabase extends AsyncDisposable {
  readonly target: PostgresTarget;
}

export interface CommandDatabaseOptions {
  readonly databaseUrl: string | null;
  readonly dataDir: string;
  /** The database opened for the command ended by itself. */
  readonly onFatal: (error: Error) => void;
}

/** How long a server that holds the data directory may take to open its socket. */
const SERVER_START_MS = 30_000;
const SERVER_START_POLL_MS = 100;

/** @throws {DataDirInUseError} when another process holds the directory and opens no socket. */
export async function openCommandDatabase(
  options: CommandDatabaseOptions,
): Promise<CommandDatabase> {
  const { databaseUrl, dataDir, onFatal } = options;
  if (databaseUrl !== null) return foreign({ kind: "url", url: databaseUrl });
  const socketPath = embeddedSocketPath(dataDir);
  const deadlineMs = performance.now() + SERVER_START_MS;
  for (;;) {
    if (await answers(socketPath)) return foreign({ kind: "embedded", socketPath });
    try {
      const database = await startEmbeddedPostgres({
        dataDir,
        socketName: `postgres-${Deno.pid}.sock`,
        onFatal,
      });
      return {
        target: { kind: "embedded", socketPath: database.socketPath },
        [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
      };
    } catch (error) {
      // A server that is just starting, or another command: its socket is its own, so that nobody
      // depends on a database that closes with it.
      if (!(error instanceof DataDirInUseError) || performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, SERVER_START_POLL_MS));
    }
  }
}

/** A database that others keep. */
function foreign(target: PostgresTarget): CommandDatabase {
  return { target, [Symbol.asyncDispose]: () => Promise.resolve() };
}

async function answers(socketPath: string): Promise<boolean> {
  try {
    const conn = await Deno.connect({ transport: "unix", path: socketPath });
    conn.close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}
