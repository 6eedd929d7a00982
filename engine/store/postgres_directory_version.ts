/** The directory's version on Postgres: one row that changes with domains, users, keys and certificates. */
import type postgres from "postgres";

export async function readDirectoryVersion(sql: postgres.Sql): Promise<string> {
  const [row] = await sql<{ version: string }[]>`SELECT version FROM directory_version`;
  return row.version;
}
