/**
 * Composition root of `migrate`: brings the database's tables to what this version expects, and ends.
 * The server does the same when it starts; this is for those who want it done before.
 */
import { ConfigError, loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { openCommandDatabase } from "./runtime/pglite_command.ts";
import { connectPostgres } from "./store/postgres_client.ts";
import { migrate } from "./store/postgres_migrate.ts";

async function migrateDatabase({ databaseUrl, dataDir }: Config): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(
    await openCommandDatabase({
      databaseUrl,
      dataDir,
      onFatal: (error) => {
        console.error(error.message);
        Deno.exit(1);
      },
    }),
  );
  const sql = connectPostgres(database.target, { max: 1, applicationName: "sluice migrate" });
  stack.defer(() => sql.end({ timeout: 5 }));
  const { applied } = await migrate(sql);
  return applied;
}

/** Answers the exit code: 0 done, 1 failed, 2 wrong configuration. */
async function main(): Promise<number> {
  try {
    const applied = await migrateDatabase(loadConfig());
    for (const name of applied) console.log(`applied ${name}`);
    if (applied.length === 0) console.log("nothing to apply");
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return error instanceof ConfigError ? 2 : 1;
  }
}

if (import.meta.main) Deno.exit(await main());
