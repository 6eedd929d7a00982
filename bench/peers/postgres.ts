/** A private Postgres for the run: as durable as one in service, on the disk of the run. */

import { asUser, installed, poll, run, startLogged, stop, tailOf } from "../process.ts";
import type { Workplace } from "../process.ts";

export interface PrivatePostgres extends AsyncDisposable {
  readonly pid: number;
  readonly version: string;
  /** Makes an empty database of that name, in place of any older one; gives its URL. */
  freshDatabase(name: string): Promise<string>;
  /** Removes it and brings the disk to rest, so that nothing of it weighs on the next run. */
  dropDatabase(name: string): Promise<void>;
}

/** The settings that decide speed, stated whether or not they are Postgres's default. */
const settings: Readonly<Record<string, string>> = {
  // A commit that is acknowledged is on the disk.
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  // The size for a machine that also runs the mail server.
  shared_buffers: "512MB",
  wal_buffers: "16MB",
  // No checkpoint forced by volume in the middle of a measurement.
  max_wal_size: "4GB",
  checkpoint_timeout: "15min",
  max_connections: "100",
  listen_addresses: "127.0.0.1",
};

/** Directory of the newest installed server, or `null`. Debian keeps it off the PATH. */
export async function postgresDirectory(): Promise<string | null> {
  const found = await run("sh", [
    "-c",
    "ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -V | tail -1",
  ]);
  if (found.trim() !== "") return found.trim();
  if (!await installed("initdb")) return null;
  return (await run("sh", ["-c", 'dirname "$(command -v initdb)"'])).trim();
}

export async function startPostgres(
  workplace: Workplace,
  binDirectory: string,
): Promise<PrivatePostgres> {
  const directory = `${workplace.directory}/postgres`;
  const data = `${directory}/data`;
  const logPath = `${workplace.directory}/postgres.log`;
  const port = workplace.port("postgres");
  await using cleanup = new AsyncDisposableStack();
  await Deno.mkdir(directory);
  cleanup.defer(() => Deno.remove(directory, { recursive: true }));
  if (Deno.uid() === 0) await run("chown", ["postgres:", directory]);
  const become = asUser("postgres");
  const [command, ...args] = [...become, `${binDirectory}/initdb`];
  await run(command, [
    ...args,
    ...["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
  ]);

  const child = startLogged([
    ...become,
    `${binDirectory}/postgres`,
    ...["-D", data, "-p", String(port), "-k", directory],
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ], { logPath, cwd: "/" });
  cleanup.defer(() => stop(child, { signal: "SIGINT" }));
  const query = (sql: string) =>
    run(`${binDirectory}/psql`, [
      ...["-X", "-q", "-h", "127.0.0.1", "-p", String(port), "-U", "postgres", "-d", "postgres"],
      ...["-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
    ]);
  const version = await poll(() => query("SHOW server_version").catch(() => null), {
    what: "Postgres answering",
    deadlineMs: 30_000,
    everyMs: 100,
    signal: workplace.signal,
  }).catch(async (cause) => {
    throw new Error(`Postgres: ${await tailOf(logPath)}`, { cause });
  });

  const dropDatabase = async (name: string) => {
    await query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    await query("CHECKPOINT");
  };
  const owned = cleanup.move();
  return {
    pid: child.pid,
    version: version.trim(),
    dropDatabase,
    freshDatabase: async (name) => {
      await dropDatabase(name);
      await query(`CREATE DATABASE "${name}"`);
      return `postgres://postgres@127.0.0.1:${port}/${name}`;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
