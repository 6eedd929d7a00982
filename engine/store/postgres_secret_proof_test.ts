import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { startPostgres } from "../../tests/fixtures/postgres.ts";
import { SecretBox } from "../crypto/secret_box.ts";
import type { PostgresTarget } from "./postgres_client.ts";
import { migrate } from "./postgres_migrate.ts";
import { proveSecretKey } from "./postgres_secret_proof.ts";

const box = (octet: number) => new SecretBox(new Uint8Array(32).fill(octet));

async function proves(test: Deno.TestContext, target: PostgresTarget): Promise<void> {
  await using sql = client(target, 4);
  await migrate(sql);

  await test.step("proveSecretKey: of two keys at once one is the first", async () => {
    const boxes = [box(1), box(2)];
    const proofs = await Promise.all(boxes.map((box) => proveSecretKey(sql, box)));
    assert.deepEqual([...proofs].sort(), ["different", "same"]);
    assert.deepEqual(await Promise.all(boxes.map((box) => proveSecretKey(sql, box))), proofs);
  });

  await test.step("proveSecretKey: a copy of the key is the same, another key is not", async () => {
    await sql`DELETE FROM secret_proof`;
    assert.equal(await proveSecretKey(sql, box(3)), "same");
    assert.equal(await proveSecretKey(sql, box(3)), "same");
    assert.equal(await proveSecretKey(sql, box(4)), "different");
  });
}

Deno.test("proveSecretKey: embedded", async (test) => {
  await using embedded = await embeddedPostgres();
  await proves(test, embedded.target);
});

Deno.test("proveSecretKey: on Postgres", async (test) => {
  await using postgres = await startPostgres();
  if (postgres !== null) await proves(test, { kind: "url", url: postgres.url });
});
