import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { makeDataDir } from "../../tests/fixtures/data_dir.ts";
import { client } from "../../tests/fixtures/embedded_postgres.ts";
import { until } from "../../tests/fixtures/process.ts";
import { DataDirInUseError } from "./data_dir_lock.ts";
import { StoreUnavailableError } from "./errors.ts";
import { frame, simpleQuery } from "./pg_frames.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./pglite_host.ts";
import { asStoreError } from "./postgres_client.ts";

const IDLE_MS = 300;
const LIMITS = {
  maxConnections: 6,
  idleMs: IDLE_MS,
  maxStepOctets: 16 * 1024 * 1024,
  maxOutputOctets: 1024 * 1024,
};

const failOnFatal = (error: Error) => {
  throw error;
};

function connect(database: EmbeddedPostgres, max = 1) {
  return client({ kind: "embedded", socketPath: database.socketPath }, max);
}

/** With a database in it, unless it is to be made by the test. */
async function temporaryDirectory(
  { isEmpty = false } = {},
): Promise<{ path: string } & AsyncDisposable> {
  const prefix = "sluice-embedded-";
  const path = isEmpty ? await Deno.makeTempDir({ prefix }) : await makeDataDir(prefix);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function rawConnection(database: EmbeddedPostgres): Promise<Deno.UnixConn> {
  const conn = await Deno.connect({ transport: "unix", path: database.socketPath });
  const parameters = new TextEncoder().encode("user\0x\0\0");
  const packet = new Uint8Array(8 + parameters.length);
  new DataView(packet.buffer).setUint32(0, packet.length);
  new DataView(packet.buffer).setUint32(4, 3 << 16);
  packet.set(parameters, 8);
  await conn.write(packet);
  return conn;
}

/** Everything said until the other side closes. */
async function readAll(conn: Deno.Conn): Promise<string> {
  return await new Response(conn.readable).text();
}

Deno.test("startEmbeddedPostgres: many clients share the one session safely", async (test) => {
  await using directory = await temporaryDirectory();
  await using database = await startEmbeddedPostgres({
    dataDir: directory.path,
    limits: LIMITS,
    onFatal: failOnFatal,
  });
  await using sql = connect(database);
  await sql`CREATE TABLE t (id serial PRIMARY KEY, who text, octets bytea)`;

  await test.step("the socket is for this user only", async () => {
    const { mode } = await Deno.stat(database.socketPath);
    assert.equal(mode! & 0o777, 0o600);
  });

  await test.step("fsync and full page writes are on", async () => {
    const [{ fsync }] = await sql`SHOW fsync`;
    const [{ full_page_writes }] = await sql`SHOW full_page_writes`;
    const [{ wal_sync_method }] = await sql`SHOW wal_sync_method`;
    assert.deepEqual([fsync, full_page_writes, wal_sync_method], ["on", "on", "fsync"]);
  });

  await test.step("concurrent unprepared queries do not see each other's statements", async () => {
    const clients = Array.from({ length: 4 }, () => connect(database));
    await Promise.all(clients.map(async (client, who) => {
      for (let round = 0; round < 30; round++) {
        const text = `${who}-${round}`;
        const rows = await client.unsafe("SELECT $1::text AS text, $2::int AS who", [text, who]);
        assert.deepEqual({ ...rows[0] }, { text, who });
      }
    }));
    await Promise.all(clients.map((client) => client.end()));
  });

  await test.step("a transaction excludes the others until it ends", async () => {
    await using other = connect(database);
    await other`SELECT 1`;
    const inside = Promise.withResolvers<void>();
    const proceed = Promise.withResolvers<void>();
    const transaction = sql.begin(async (inner) => {
      await inner`INSERT INTO t (who) VALUES ('inside')`;
      inside.resolve();
      await proceed.promise;
    });
    await inside.promise;
    let answered = false;
    const outside = other`SELECT count(*)::int AS count FROM t WHERE who = 'inside'`
      .then((rows) => {
        answered = true;
        return rows;
      });
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(answered, false);
    proceed.resolve();
    await transaction;
    assert.equal((await outside)[0].count, 1);
  });

  await test.step("an error inside a transaction rolls it back and harms nobody", async () => {
    await using other = connect(database);
    const failing = sql.begin(async (inner) => {
      await inner`INSERT INTO t (who) VALUES ('failing')`;
      await inner`SELECT 1 / 0`;
    });
    await assert.rejects(failing, { code: "22012" });
    assert.deepEqual([...await other`SELECT 1 FROM t WHERE who = 'failing'`], []);
  });

  await test.step("a client that goes away in a transaction is rolled back", async () => {
    const conn = await rawConnection(database);
    await conn.write(simpleQuery("BEGIN; INSERT INTO t (who) VALUES ('gone')"));
    const seen = new Uint8Array(4096);
    while (!new TextDecoder().decode(seen).includes("INSERT")) await conn.read(seen);
    conn.close();
    assert.deepEqual([...await sql`SELECT 1 FROM t WHERE who = 'gone'`], []);
  });

  await test.step("a client that is silent in a transaction is disconnected", async () => {
    const conn = await rawConnection(database);
    await conn.write(simpleQuery("BEGIN; INSERT INTO t (who) VALUES ('silent')"));
    assert.match(await readAll(conn), /25P03/);
    assert.deepEqual([...await sql`SELECT 1 FROM t WHERE who = 'silent'`], []);
  });

  await test.step("a client that says nothing at all is disconnected", async () => {
    const conn = await Deno.connect({ transport: "unix", path: database.socketPath });
    assert.match(await readAll(conn), /25P03/);
  });

  await test.step("prepared statements end with their connection", async () => {
    const client = connect(database);
    await client`SELECT ${1}::int AS a_statement_to_forget`;
    const left = () =>
      sql`SELECT 1 FROM pg_prepared_statements
          WHERE statement LIKE '%to_forget%' AND statement NOT LIKE '%pg_prepared_statements%'`;
    assert.equal((await left()).length, 1);
    await client.end();
    await until(async () => (await left()).length === 0);
  });

  await test.step("COPY FROM STDIN stores its rows, and a bad one is an error", async () => {
    const rows = await sql`COPY t (who, octets) FROM STDIN`.writable();
    const finished = once(rows, "finish");
    for (let index = 0; index < 100; index++) rows.write(`copied\t\\\\x${"ab".repeat(2000)}\n`);
    rows.end();
    await finished;
    const [{ count, octets }] =
      await sql`SELECT count(*)::int, sum(length(octets))::int AS octets FROM t WHERE who = 'copied'`;
    assert.deepEqual([count, octets], [100, 200_000]);
    const conn = await rawConnection(database);
    await conn.write(simpleQuery("COPY t (who, nothing) FROM STDIN"));
    await conn.write(new Uint8Array([0x63, 0, 0, 0, 4, 0x58, 0, 0, 0, 4]));
    assert.match(await readAll(conn), /42703/);
  });

  await test.step("COPY that comes without its rows fails and ends nothing", async () => {
    const terminate = frame("X");
    const hidden = await rawConnection(database);
    await hidden.write(simpleQuery("COPY t (who) FROM /* not seen */ STDIN"));
    await hidden.write(terminate);
    assert.match(await readAll(hidden), /57014/);
    const extended = await rawConnection(database);
    await extended.write(frame("P", "\0COPY t (who) FROM STDIN\0", new Uint8Array(2)));
    await extended.write(frame("B", "\0\0", new Uint8Array(6)));
    await extended.write(frame("E", "\0", new Uint8Array(4)));
    await extended.write(frame("S"));
    await extended.write(simpleQuery("SELECT 'after' AS word"));
    await extended.write(terminate);
    assert.match(await readAll(extended), /57014[^]*after/);
  });

  await test.step("a result and a batch as large as allowed pass, larger ones do not", async () => {
    assert.equal((await sql`SELECT repeat('x', 900000) AS text`)[0].text.length, 900_000);
    await assert.rejects(async () => await sql`SELECT repeat('x', 2000000) AS text`, {
      code: "54000",
    });
    assert.equal((await sql`SELECT 1 AS one`)[0].one, 1);
    const octets = new Uint8Array(5_000_000);
    assert.equal((await sql`SELECT length(${octets}::bytea) AS length`)[0].length, octets.length);
    const conn = await rawConnection(database);
    const header = new Uint8Array([0x51, 0, 0, 0, 0]);
    new DataView(header.buffer).setUint32(1, LIMITS.maxStepOctets + 1);
    await conn.write(header);
    assert.match(await readAll(conn), /08P01/);
    assert.equal((await sql`SELECT 1 AS one`)[0].one, 1);
  });

  await test.step("too many connections are told so, as a store that is unavailable", async () => {
    const clients = Array.from({ length: LIMITS.maxConnections }, () => connect(database));
    const answers = await Promise.allSettled(clients.map(async (client) => await client`SELECT 1`));
    const refused = answers.filter((answer) => answer.status === "rejected");
    assert.equal(refused.length, 1);
    assert.equal(refused[0].reason.code, "53300");
    assert.ok(asStoreError(refused[0].reason) instanceof StoreUnavailableError);
    await Promise.all(clients.map((client) => client.end({ timeout: 1 })));
  });

  await test.step("a second one in the same directory is refused by name", async () => {
    const second = startEmbeddedPostgres({ dataDir: directory.path, onFatal: failOnFatal });
    await assert.rejects(
      second,
      (error) =>
        error instanceof DataDirInUseError &&
        error.message.includes(`already in use by process ${Deno.pid}`),
    );
  });
});

Deno.test("startEmbeddedPostgres: a database beyond repair is reported and can be started again", async () => {
  await using directory = await temporaryDirectory();
  const fatal = Promise.withResolvers<Error>();
  const database = await startEmbeddedPostgres({
    dataDir: directory.path,
    onFatal: (error) => fatal.resolve(error),
  });
  await using sql = connect(database, 2);
  await sql`CREATE TABLE t (id int)`;
  await sql`INSERT INTO t VALUES (1)`;
  const wal = join(directory.path, "postgres", "pg_wal");
  await Deno.rename(wal, `${wal}.away`);
  const failure = await (async () => {
    await sql`SELECT pg_switch_wal()`;
    await sql`INSERT INTO t VALUES (2)`;
  })().then(() => null, (error) => error);
  assert.ok(asStoreError(failure) instanceof StoreUnavailableError, `${failure}`);
  assert.match((await fatal.promise).message, /the embedded database stopped/);
  await assert.rejects(
    async () => await sql`SELECT 1`,
    (error) => asStoreError(error) instanceof StoreUnavailableError,
  );

  await Deno.remove(wal, { recursive: true }).catch(() => {});
  await Deno.rename(`${wal}.away`, wal);
  await using _again = await startEmbeddedPostgres({
    dataDir: directory.path,
    onFatal: failOnFatal,
  });
  await until(async () => {
    try {
      const rows = await sql`SELECT id FROM t WHERE id = 1`;
      return rows.length === 1;
    } catch (error) {
      if (asStoreError(error) instanceof StoreUnavailableError) return false;
      throw error;
    }
  });
});

Deno.test("startEmbeddedPostgres: an aborted start releases the directory", async () => {
  await using directory = await temporaryDirectory({ isEmpty: true });
  const abort = new AbortController();
  const starting = startEmbeddedPostgres({
    dataDir: directory.path,
    signal: abort.signal,
    onFatal: failOnFatal,
  });
  await until(() => Deno.stat(join(directory.path, "postgres.lock")).then(() => true, () => false));
  abort.abort(new Error("enough"));
  await assert.rejects(starting, /enough/);
  await using _database = await startEmbeddedPostgres({
    dataDir: directory.path,
    onFatal: failOnFatal,
  });
});

Deno.test("startEmbeddedPostgres: no acknowledged row is lost to kill -9", async () => {
  await using directory = await temporaryDirectory();
  const acknowledged: number[] = [];
  for (let round = 1; round <= 3; round++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-all",
        new URL("./testdata/commit_until_killed.ts", import.meta.url).pathname,
        directory.path,
      ],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let text = "";
    const enough = acknowledged.length + 300;
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.split("\n").length > 300 && acknowledged.length < enough) {
        try {
          child.kill("SIGKILL");
        } catch {
          // Killed already; what it had printed is still coming.
        }
      }
    }
    await child.status;
    acknowledged.push(...text.slice(0, text.lastIndexOf("\n")).split("\n").map(Number));
    assert.ok(acknowledged.length >= round * 300, `${acknowledged.length} rows in ${round} rounds`);

    await using database = await startEmbeddedPostgres({
      dataDir: directory.path,
      onFatal: failOnFatal,
    });
    await using sql = connect(database);
    const rows = await sql`SELECT id FROM kept WHERE length(octets) = 2048`;
    const stored = new Set(rows.map((row) => Number(row.id)));
    assert.deepEqual(acknowledged.filter((id) => !stored.has(id)), []);
  }
});
