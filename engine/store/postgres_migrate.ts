/**
 * Brings the database's tables to what this code expects: the files `migrations/NNNN_name.sql` in
 * order, each in a transaction of its own, each once. An applied file must never change, and a database
 * that knows more than this code is left alone.
 */
import { createHash } from "node:crypto";
import type postgres from "postgres";
import { asStoreError, inTransaction } from "./postgres_client.ts";

/** Whoever migrates holds this transaction-level lock; the value means nothing else. */
const MIGRATION_LOCK = 7_285_423;
const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly text: string;
  readonly checksum: string;
}

export interface MigrateOptions {
  /** Folder of the migration files; ends with a slash. */
  readonly folder?: URL;
}

/**
 * Applies what is missing and answers the names of the files applied. Several servers may call it at
 * once: one works, the others wait.
 *
 * @throws an error of one readable line when the database does not fit this code.
 */
export async function migrate(
  sql: postgres.Sql,
  options: MigrateOptions = {},
): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(
    options.folder ?? new URL("./migrations/", import.meta.url),
  );
  try {
    const missing = await inTransaction(sql, async (tx) => {
      await lock(tx);
      await tx`
        CREATE TABLE IF NOT EXISTS schema_migrations (
          version integer PRIMARY KEY,
          name text NOT NULL,
          checksum text NOT NULL,
          applied_at timestamptz NOT NULL DEFAULT now()
        )`;
      return missingFrom(migrations, await appliedIn(tx));
    });
    const applied: string[] = [];
    for (const migration of missing) {
      if (await inTransaction(sql, (tx) => apply(tx, migration))) applied.push(migration.name);
    }
    return { applied };
  } catch (error) {
    throw asStoreError(error);
  }
}

async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const migrations: Migration[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const match = FILE_NAME.exec(name);
    if (match === null) continue;
    const text = await Deno.readTextFile(new URL(name, folder));
    const checksum = createHash("sha256").update(text).digest("hex");
    migrations.push({ version: Number(match[1]), name, text, checksum });
  }
  migrations.sort((a, b) => a.version - b.version);
  const twice = migrations.find(({ version }, index) => migrations[index + 1]?.version === version);
  if (twice !== undefined) throw new Error(`two migrations have the number of ${twice.name}`);
  return migrations;
}

type Applied = Pick<Migration, "version" | "name" | "checksum">;

async function appliedIn(tx: postgres.TransactionSql): Promise<readonly Applied[]> {
  return await tx<Applied[]>`
    SELECT version, name, checksum FROM schema_migrations ORDER BY version`;
}

function missingFrom(
  migrations: readonly Migration[],
  applied: readonly Applied[],
): readonly Migration[] {
  const known = new Map(migrations.map((migration) => [migration.version, migration]));
  for (const { version, name, checksum } of applied) {
    const migration = known.get(version);
    if (migration === undefined) {
      throw new Error(
        `the database is newer than this version of Sluice: it has migration ${name}`,
      );
    }
    if (migration.checksum !== checksum) {
      throw new Error(`migration ${migration.name} has changed since it was applied`);
    }
    known.delete(version);
  }
  return [...known.values()];
}

/** False when another server was quicker. */
async function apply(tx: postgres.TransactionSql, migration: Migration): Promise<boolean> {
  await lock(tx);
  const applied = await appliedIn(tx);
  if (applied.some(({ version }) => version === migration.version)) return false;
  try {
    await tx.unsafe(migration.text).simple();
  } catch (error) {
    if (asStoreError(error) !== error) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`migration ${migration.name} failed: ${reason}`, { cause: error });
  }
  await tx`
    INSERT INTO schema_migrations (version, name, checksum)
    VALUES (${migration.version}, ${migration.name}, ${migration.checksum})`;
  return true;
}

async function lock(tx: postgres.TransactionSql): Promise<void> {
  await tx`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`;
}
