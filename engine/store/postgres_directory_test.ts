import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { directoryAccountsConformance } from "./directory_accounts_conformance.ts";
import { directoryAliasesConformance } from "./directory_aliases_conformance.ts";
import { MAX_TARGETS } from "./directory.ts";
import { directoryConformance } from "./directory_conformance.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { postgresDirectory } from "./postgres_directory.ts";
import { migrate } from "./postgres_migrate.ts";

const VERSION_MAX_AGE_MS = 2_000;

async function conforms(test: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using sql = client(target, 2);
  await migrate(sql);
  let nowMs = 0;
  const now = () => nowMs;
  const opened = {
    here: postgresDirectory(sql, { now, versionMaxAgeMs: VERSION_MAX_AGE_MS }),
    elsewhere: postgresDirectory(sql, { now, versionMaxAgeMs: VERSION_MAX_AGE_MS }),
    elapse: () => nowMs += VERSION_MAX_AGE_MS,
  };
  await directoryConformance(test, opened);
  await directoryAliasesConformance(test, opened);
  await directoryAccountsConformance(test, opened);

  await test.step("postgresDirectory: asks nothing while the version is fresh", async () => {
    const directory = postgresDirectory(sql, { now });
    const ann = { domain: "cached.example", localPart: "ann" };
    await directory.addDomain("cached.example");
    const lookup = () => directory.lookup("cached.example", "ann");
    await Promise.all([lookup(), directory.mailbox(ann), directory.account(ann)]);
    await sql`DELETE FROM domains WHERE name = 'cached.example'`;
    assert.deepEqual(await lookup(), { kind: "no_such_user" });
    assert.equal((await directory.mailbox(ann))?.whenFull, "defer");
    nowMs += VERSION_MAX_AGE_MS;
    assert.deepEqual(await lookup(), { kind: "not_local" });
    assert.equal(await directory.mailbox(ann), null);
  });

  await test.step("postgresDirectory: made-up names push out no name there is", async () => {
    const directory = postgresDirectory(sql, { now, cacheCapacity: 2 });
    await directory.addDomain("guessed.example");
    const ann = { domain: "guessed.example", localPart: "ann" };
    await directory.addUser(ann, "x");
    await directory.addAlias({ ...ann, localPart: "", target: "all@there.test" });
    const lookup = (localPart: string) => directory.lookup("guessed.example", localPart);
    await lookup("ann");
    for (let i = 0; i < 5; i++) await Promise.all([lookup(`ann+${i}`), lookup(`guess${i}`)]);
    await sql`DELETE FROM users WHERE domain = 'guessed.example'`;
    assert.deepEqual(await lookup("ann"), {
      kind: "mailbox",
      domain: "guessed.example",
      user: "ann",
    });
    assert.equal((await lookup("ann+0")).kind, "alias");
  });

  await test.step("lookup: an alias that has too many targets is told, not cut", async () => {
    const directory = postgresDirectory(sql, { now });
    await directory.addDomain("large.example");
    // As two commands at once may make it.
    await sql`
      INSERT INTO aliases (domain, local_part, target)
      SELECT 'large.example', 'all', n || '@there.test'
      FROM generate_series(0, ${MAX_TARGETS}::int) n`;
    assert.deepEqual(await directory.lookup("large.example", "all"), { kind: "too_large" });
  });

  await test.step("mailbox: a transport nobody understands is an error", async () => {
    const directory = postgresDirectory(sql, { now });
    await directory.addDomain("odd.example");
    await sql`UPDATE domains SET transport = 'pigeon' WHERE name = 'odd.example'`;
    await assert.rejects(
      directory.mailbox({ domain: "odd.example", localPart: "ann" }),
      /^Error: the database has no usable transport for odd\.example$/,
    );
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
