import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { directoryConformance } from "./directory_conformance.ts";
import { LookupCache } from "./lookup_cache.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { postgresDirectory } from "./postgres_directory.ts";
import { migrate } from "./postgres_migrate.ts";

const VERSION_MAX_AGE_MS = 2_000;

async function conforms(test: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using sql = client(target, 2);
  await migrate(sql);
  let nowMs = 0;
  const now = () => nowMs;
  await directoryConformance(test, () => ({
    here: postgresDirectory(sql, { now, versionMaxAgeMs: VERSION_MAX_AGE_MS }),
    elsewhere: postgresDirectory(sql, { now, versionMaxAgeMs: VERSION_MAX_AGE_MS }),
    elapse: () => nowMs += VERSION_MAX_AGE_MS,
  }));

  await test.step("postgresDirectory: asks nothing while the version is fresh", async () => {
    const directory = postgresDirectory(sql, { now });
    await directory.addDomain("cached.example");
    await directory.lookup("cached.example", "nobody");
    await sql`DELETE FROM domains WHERE name = 'cached.example'`;
    assert.deepEqual(await directory.lookup("cached.example", "nobody"), { kind: "no_such_user" });
    nowMs += VERSION_MAX_AGE_MS;
    assert.deepEqual(await directory.lookup("cached.example", "nobody"), { kind: "not_local" });
  });
}

Deno.test("postgresDirectory: keeps the promises of a directory, embedded", async (test) => {
  await using embedded = await embeddedPostgres();
  await conforms(test, embedded.target);
});

Deno.test("postgresDirectory: keeps the promises of a directory, on Postgres", async (test) => {
  await using postgres = await startPostgres();
  if (postgres !== null) await conforms(test, { kind: "url", url: postgres.url });
});

Deno.test("LookupCache: forgets what was not used for longest, each sort on its own", () => {
  const cache = new LookupCache(2);
  cache.set("ann", { kind: "mailbox", user: "ann" });
  for (const guess of ["a", "b", "c"]) cache.set(guess, { kind: "no_such_user" });
  assert.deepEqual(cache.get("ann"), { kind: "mailbox", user: "ann" });
  assert.equal(cache.get("a"), undefined);
  assert.deepEqual(cache.get("b"), { kind: "no_such_user" });
  cache.set("d", { kind: "not_local" });
  assert.equal(cache.get("c"), undefined);
  assert.deepEqual(cache.get("b"), { kind: "no_such_user" });
  cache.clear();
  assert.equal(cache.get("ann"), undefined);
});
