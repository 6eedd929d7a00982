import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { migrate } from "./postgres_migrate.ts";

async function migrates(test: Deno.TestContext, target: PostgresTarget): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "sluice-migrations-" });
  const folder = pathToFileURL(`${path}/`);
  const write = (name: string, text: string) => Deno.writeTextFile(`${path}/${name}`, text);
  await using sql = client(target, 2);
  await using other = client(target, 2);

  await test.step("migrate: two servers at once apply each file once, in order", async () => {
    await write("0002_second.sql", "INSERT INTO one VALUES (2); INSERT INTO one VALUES (3);");
    await write("0001_first.sql", "CREATE TABLE one (n int); INSERT INTO one VALUES (1);");
    await write("README.md", "not a migration");
    const results = await Promise.all([migrate(sql, { folder }), migrate(other, { folder })]);
    const applied = results.flatMap((result) => result.applied).sort();
    assert.deepEqual(applied, ["0001_first.sql", "0002_second.sql"]);
    const rows = await sql`SELECT n FROM one ORDER BY n`;
    assert.deepEqual(rows.map((row) => row.n), [1, 2, 3]);
    assert.deepEqual(await migrate(sql, { folder }), { applied: [] });
  });

  await test.step("migrate: a failing file leaves nothing and is tried again", async () => {
    await write("0003_third.sql", "CREATE TABLE three (n int); SELECT 1 / 0;");
    await assert.rejects(
      migrate(sql, { folder }),
      /^Error: migration 0003_third.sql failed: division by zero$/,
    );
    await write("0003_third.sql", "CREATE TABLE three (n int);");
    assert.deepEqual(await migrate(sql, { folder }), { applied: ["0003_third.sql"] });
  });

  await test.step("migrate: a file changed after it was applied is an error", async () => {
    await write("0003_third.sql", "CREATE TABLE three (n bigint);");
    await assert.rejects(
      migrate(sql, { folder }),
      /^Error: migration 0003_third.sql has changed since it was applied$/,
    );
  });

  await test.step("migrate: a database newer than the code is left alone", async () => {
    await Deno.remove(`${path}/0003_third.sql`);
    await assert.rejects(
      migrate(sql, { folder }),
      /^Error: the database is newer than this version of Sluice: it has migration 0003_third.sql$/,
    );
  });

  await Deno.remove(path, { recursive: true });
}

Deno.test("migrate: embedded", async (test) => {
  await using embedded = await embeddedPostgres();
  await migrates(test, embedded.target);
});

Deno.test("migrate: on Postgres", async (test) => {
  await using postgres = await startPostgres();
  if (postgres !== null) await migrates(test, { kind: "url", url: postgres.url });
});
