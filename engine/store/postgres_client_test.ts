import assert from "node:assert/strict";
import { once } from "node:events";
import { client } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { freePort } from "../../tests/fixtures/ports.ts";
import { until } from "../../tests/fixtures/process.ts";
import { StoreUnavailableError } from "./errors.ts";
import { asStoreError, connectPostgres } from "./postgres_client.ts";

function isUnavailable(error: unknown): boolean {
  return asStoreError(error) instanceof StoreUnavailableError;
}

Deno.test("connectPostgres: queries work again by themselves once Postgres is back", async () => {
  await using postgres = await startPostgres();
  if (postgres === null) return;
  await using sql = client({ kind: "url", url: postgres.url }, 3);
  await Promise.all(Array.from({ length: 3 }, () => sql`SELECT pg_sleep(0.05)`));
  const running = sql`SELECT pg_sleep(20)`.then(() => null, (error) => error);
  await until(async () => {
    const rows = await sql`SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)%'
      AND state = 'active' AND pid <> pg_backend_pid()`;
    return rows.length === 1;
  });
  await postgres.kill();
  assert.ok(isUnavailable(await running));
  for (let attempt = 0; attempt < 10; attempt++) {
    const error = await sql`SELECT 1`.then(() => null, (error) => error);
    assert.ok(isUnavailable(error), `${error}`);
  }
  await postgres.start();
  // Each of the pool's connections may still report its end to one query.
  await until(() =>
    Promise.all(Array.from({ length: 20 }, () => sql`SELECT 1 AS one`)).then(
      (rows) => rows.length === 20,
      (error) => {
        assert.ok(isUnavailable(error), `${error}`);
        return false;
      },
    )
  );
});

Deno.test("connectPostgres: reaches Postgres by a unix socket, and bigints are strings", async () => {
  await using postgres = await startPostgres();
  if (postgres === null) return;
  await using sql = client({ kind: "embedded", socketPath: postgres.socketPath });
  const [{ large, name }] = await sql`
    SELECT 9007199254740993::bigint AS large, current_setting('application_name') AS name`;
  assert.deepEqual([large, name], ["9007199254740993", "test"]);
});

Deno.test("connectPostgres: COPY over TCP does not wait for acknowledgements", async () => {
  await using postgres = await startPostgres();
  if (postgres === null) return;
  await using sql = client({ kind: "url", url: postgres.url });
  await sql`CREATE TABLE copied (text text)`;
  const startedAtMs = performance.now();
  const rounds = 20;
  for (let round = 0; round < rounds; round++) {
    const rows = await sql`COPY copied FROM STDIN`.writable();
    rows.end("one\ntwo\n");
    await once(rows, "finish");
  }
  // Nagle's algorithm would make it 40 ms a round.
  assert.ok(performance.now() - startedAtMs < rounds * 35);
  assert.equal((await sql`SELECT count(*)::int FROM copied`)[0].count, 2 * rounds);
});

Deno.test("connectPostgres: a server that says nothing times out", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    for await (const _conn of listener);
  })().catch(() => {});
  const { port } = listener.addr as Deno.NetAddr;
  const sql = connectPostgres(
    { kind: "url", url: `postgres://u@127.0.0.1:${port}/d` },
    { max: 1, applicationName: "test", connectTimeoutMs: 200 },
  );
  const error = await sql`SELECT 1`.then(() => null, (error) => error);
  assert.ok(isUnavailable(error), `${error}`);
  await sql.end({ timeout: 0 });
  listener.close();
  await accepting;
});

Deno.test("asStoreError: no server, no socket and no such host are unavailable", async () => {
  const targets = [
    { kind: "url", url: `postgres://u@127.0.0.1:${freePort()}/d` },
    { kind: "embedded", socketPath: "/nonexistent/postgres.sock" },
  ] as const;
  for (const target of targets) {
    await using sql = client(target);
    for (let attempt = 0; attempt < 3; attempt++) {
      const error = await sql`SELECT 1`.then(() => null, (error) => error);
      assert.ok(isUnavailable(error), `${error}`);
    }
  }
});

Deno.test("asStoreError: what we asked wrongly stays as it is", () => {
  const coded = (code: string) => Object.assign(new Error("said"), { code });
  for (const code of ["08006", "53100", "53300", "57P01", "58030", "XX000", "ECONNRESET"]) {
    const error = asStoreError(coded(code));
    assert.ok(error instanceof StoreUnavailableError, code);
    assert.equal((error.cause as { code: string }).code, code);
  }
  for (const code of ["23505", "42P01", "22012", "54000", "ENOSPC_NOT"]) {
    const error = coded(code);
    assert.equal(asStoreError(error), error);
  }
  assert.equal(asStoreError("text"), "text");
});
