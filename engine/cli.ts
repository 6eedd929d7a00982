/** Composition root of `cli`: the commands, and the stores they work on. */
import { ConfigError, loadConfig } from "../config/load.ts";
import { type CliStores, UsageError } from "./cli/command.ts";
import { domainCommands } from "./cli/domain.ts";
import { queueCommands } from "./cli/queue.ts";
import { runCli } from "./cli/run.ts";
import { userCommands } from "./cli/user.ts";
import { openCommandDatabase } from "./runtime/pglite_command.ts";
import { connectPostgres } from "./store/postgres_client.ts";
import { postgresDirectory } from "./store/postgres_directory.ts";
import { postgresHistory } from "./store/postgres_history.ts";
import { migrate } from "./store/postgres_migrate.ts";

export const COMMANDS = [...domainCommands, ...userCommands, ...queueCommands];

interface StoreConfig {
  readonly databaseUrl: string | null;
  readonly dataDir: string;
}

async function openStores(config: StoreConfig): Promise<CliStores & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const database = opening.use(
    await openCommandDatabase({
      databaseUrl: config.databaseUrl,
      dataDir: config.dataDir,
      onFatal: (error) => {
        console.error(error.message);
        Deno.exit(1);
      },
    }),
  );
  const sql = connectPostgres(database.target, { max: 1, applicationName: "sluice cli" });
  opening.defer(() => sql.end({ timeout: 5 }));
  await migrate(sql);
  const opened = opening.move();
  return {
    directory: postgresDirectory(sql, { now: () => performance.now() }),
    history: postgresHistory(sql),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
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
