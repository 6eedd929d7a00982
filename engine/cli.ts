/**
 * Composition root of `cli`. Works on the database in DATABASE_URL; without one on the embedded database,
 * through the socket of a server that runs, or else by opening it for as long as the command takes.
 */
import type postgres from "postgres";
import { ConfigError, loadConfig } from "../config/load.ts";
import { type CliStores, UsageError } from "./cli/command.ts";
import { domainCommands } from "./cli/domain.ts";
import { runCli } from "./cli/run.ts";
import { userCommands } from "./cli/user.ts";
import { DataDirInUseError } from "./store/data_dir_lock.ts";
import { embeddedSocketPath, startEmbeddedPostgres } from "./store/pglite_host.ts";
import { connectPostgres, type PostgresTarget } from "./store/postgres_client.ts";
import { postgresDirectory } from "./store/postgres_directory.ts";
import { migrate } from "./store/postgres_migrate.ts";

export const COMMANDS = [...domainCommands, ...userCommands];

/** How long a server that holds the data directory may take to open its socket. */
const SERVER_START_MS = 30_000;
const SERVER_START_POLL_MS = 100;

interface StoreConfig {
  readonly databaseUrl: string | null;
  readonly dataDir: string;
}

async function openStores(config: StoreConfig): Promise<CliStores & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const target = config.databaseUrl === null
    ? await openEmbedded(config.dataDir, opening)
    : { kind: "url" as const, url: config.databaseUrl };
  const sql = connectPostgres(target, { max: 1, applicationName: "sluice cli" });
  opening.defer(() => sql.end({ timeout: 5 }));
  await migrate(sql);
  const opened = opening.move();
  return {
    ...stores(sql),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function stores(sql: postgres.Sql): CliStores {
  return { directory: postgresDirectory(sql, { now: () => performance.now() }) };
}

async function openEmbedded(
  dataDir: string,
  opening: AsyncDisposableStack,
): Promise<PostgresTarget> {
  const running = { kind: "embedded" as const, socketPath: embeddedSocketPath(dataDir) };
  const deadlineMs = performance.now() + SERVER_START_MS;
  for (;;) {
    if (await answers(running.socketPath)) return running;
    try {
      const database = await startEmbeddedPostgres({
        dataDir,
        socketName: `postgres-${Deno.pid}.sock`,
        onFatal: (error) => {
          console.error(error.message);
          Deno.exit(1);
        },
      });
      opening.use(database);
      return { kind: "embedded", socketPath: database.socketPath };
    } catch (error) {
      // A server that is just starting, or another command: its socket is its own, so that nobody
      // depends on a database that closes with it.
      if (!(error instanceof DataDirInUseError) || performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, SERVER_START_POLL_MS));
    }
  }
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

function main(): Promise<number> {
  return runCli(Deno.args, {
    commands: COMMANDS,
    open: () => openStores(configuration()),
    out: (line) => console.log(line),
    error: (line) => console.error(line),
  });
}

/** @throws {UsageError} with every mistake on a line of its own. */
function configuration(): StoreConfig {
  try {
    return loadConfig();
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main());
