import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { postgresDirectory } from "./postgres_directory.ts";
import { migrate } from "./postgres_migrate.ts";
import { postgresSigningKeys } from "./postgres_signing_keys.ts";
import { signingKeysConformance } from "./signing_keys_conformance.ts";

const VERSION_MAX_AGE_MS = 2_000;

async function conforms(test: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using sql = client(target, 2);
  await migrate(sql);
  let nowMs = 0;
  const now = () => nowMs;
  const directory = postgresDirectory(sql, { now });
  await signingKeysConformance(test, {
    here: postgresSigningKeys(sql, { now, versionMaxAgeMs: VERSION_MAX_AGE_MS }),
    elsewhere: postgresSigningKeys(sql, { now, versionMaxAgeMs: VERSION_MAX_AGE_MS }),
    directory,
    elapse: () => nowMs += VERSION_MAX_AGE_MS,
  });

  await test.step("postgresSigningKeys: asks nothing while the version is fresh", async () => {
    const keys = postgresSigningKeys(sql, { now });
    const [known] = await keys.activeKeys("other-keys.example");
    await sql`DELETE FROM dkim_keys`;
    assert.deepEqual(await keys.activeKeys("other-keys.example"), [known]);
    nowMs += VERSION_MAX_AGE_MS;
    assert.deepEqual(await keys.activeKeys("other-keys.example"), []);
  });
}

Deno.test("postgresSigningKeys: keeps the promises of a store of keys, embedded", async (test) => {
  await using embedded = await embeddedPostgres();
  await conforms(test, embedded.target);
});

Deno.test("postgresSigningKeys: keeps the promises of a store of keys, on Postgres", async (test) => {
  await using postgres = await startPostgres();
  if (postgres !== null) await conforms(test, { kind: "url", url: postgres.url });
});
