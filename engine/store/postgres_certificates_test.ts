import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { until } from "../../tests/fixtures/process.ts";
import { certificatesConformance } from "./certificates_conformance.ts";
import { postgresCertificates } from "./postgres_certificates.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { migrate } from "./postgres_migrate.ts";

async function conforms(test: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using sql = client(target, 2);
  await migrate(sql);
  const here = postgresCertificates(sql);
  await certificatesConformance(test, { here, elsewhere: postgresCertificates(sql) });
  const done = () => Promise.resolve("done");

  await test.step("exclusively: the place of a node that crashed is free after a while", async () => {
    await sql`
      INSERT INTO leases (name, owner, until)
      VALUES ('certificates', 'crashed', now() + interval '1 minute')`;
    assert.equal(await here.exclusively(done), null);
    await sql`UPDATE leases SET until = now()`;
    assert.equal(await here.exclusively(done), "done");
    assert.deepEqual([...await sql`SELECT owner FROM leases`], []);
  });

  await test.step("exclusively: holds its place for as long as the work lasts", async () => {
    const brief = postgresCertificates(sql, { leaseMs: 600 });
    await brief.exclusively(async () => {
      const [first] = await sql`SELECT owner, until FROM leases`;
      await until(async () => {
        const [lease] =
          await sql`SELECT owner, until > ${first.until}::timestamptz + interval '600 ms'
          AS outlived FROM leases`;
        assert.equal(lease.owner, first.owner);
        return lease.outlived;
      });
      assert.equal(await here.exclusively(done), null);
    });
  });

  await test.step("challenge: not one that was put more than a day ago", async () => {
    await here.putChallenge("old", "old answer");
    await sql`UPDATE acme_challenges SET created_at = now() - interval '25 hours'`;
    assert.equal(await here.challenge("old"), null);
    await here.putChallenge("new", "new answer");
    assert.deepEqual([...await sql`SELECT token FROM acme_challenges`], [{ token: "new" }]);
  });
}

Deno.test("postgresCertificates: keeps the promises of a store of certificates, embedded", async (test) => {
  await using embedded = await embeddedPostgres();
  await conforms(test, embedded.target);
});

Deno.test("postgresCertificates: keeps the promises of a store of certificates, on Postgres", async (test) => {
  await using postgres = await startPostgres();
  if (postgres !== null) await conforms(test, { kind: "url", url: postgres.url });
});
