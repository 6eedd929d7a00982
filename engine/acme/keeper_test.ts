import assert from "node:assert/strict";
import { client, embeddedPostgres } from "../../tests/fixtures/embedded_postgres.ts";
import { until } from "../../tests/fixtures/process.ts";
import { SecretBox } from "../crypto/secret_box.ts";
import { makeSelfSigned } from "../crypto/self_signed.ts";
import type { NamedCertificate } from "../smtp/certificate_choice.ts";
import type { StoredCertificate } from "../store/certificates.ts";
import { postgresCertificates } from "../store/postgres_certificates.ts";
import { migrate } from "../store/postgres_migrate.ts";
import type { IssuedCertificate } from "./issuer.ts";
import { CertificateKeeper } from "./keeper.ts";

function requested(name: string): StoredCertificate {
  const nothing = { chain: null, sealedPrivateKey: null, notAfterMs: null };
  return { name, source: "acme", ...nothing, fault: null, retryAtMs: null };
}

async function issue(name: string): Promise<IssuedCertificate> {
  const { cert, key } = await makeSelfSigned([name], { nowMs: Date.now() });
  return { chain: cert, privateKey: key };
}

Deno.test("CertificateKeeper: has certificates issued, once, and tells what to serve", async (t) => {
  await using embedded = await embeddedPostgres();
  await using sql = client(embedded.target, 2);
  await migrate(sql);
  const store = postgresCertificates(sql);
  const secrets = new SecretBox(new Uint8Array(32).fill(7));
  const asked: string[] = [];
  const errors: unknown[] = [];
  /** A node; what it serves is the last of what it was told. */
  const node = (issuer: (name: string) => Promise<IssuedCertificate>) => {
    const told: (readonly NamedCertificate[])[] = [];
    const keeper = new CertificateKeeper({
      store,
      secrets,
      issuer: {
        issue: (name) => {
          asked.push(name);
          return issuer(name);
        },
      },
      now: Date.now,
      random: () => 0.5,
      onChange: (named) => told.push(named),
      onIssued: () => {},
      onFailed: () => {},
      onError: (error) => errors.push(error),
    });
    return { told, keeper };
  };
  const found = async (name: string) =>
    (await store.certificates()).find((each) => each.name === name);

  await t.step("two nodes: one asks, both serve, and nothing is told twice", async () => {
    await store.put(requested("a.test"));
    const [one, other] = [node(issue), node(issue)];
    await using _one = one.keeper;
    await using _other = other.keeper;
    one.keeper.start();
    other.keeper.start();
    await until(() => [one, other].every(({ told }) => told.at(-1)?.length === 1));
    assert.deepEqual(asked, ["a.test"]);
    const { chain } = (await found("a.test"))!;
    for (const { told, keeper } of [one, other]) {
      assert.deepEqual(told.at(-1)!.map(({ names, cert }) => [names, cert]), [[["a.test"], chain]]);
      await keeper.refresh();
      await sql`INSERT INTO domains (name) VALUES (${crypto.randomUUID()})`;
      await keeper.refresh();
      assert.ok(told.length <= 2);
    }
  });

  await t.step("what the issuer gives for another name is not put to use", async () => {
    await store.put(requested("b.test"));
    const { keeper } = node(() => issue("other.test"));
    await using _keeper = keeper;
    keeper.start();
    await until(async () => (await found("b.test"))?.fault !== null);
    const { chain, fault, retryAtMs } = (await found("b.test"))!;
    assert.equal(chain, null);
    assert.match(fault!, /not for b\.test, but for other\.test/);
    assert.ok(retryAtMs! > Date.now());
  });

  await t.step("what was removed while the issuer was at work does not come back", async () => {
    await store.put(requested("c.test"));
    const { promise, resolve } = Promise.withResolvers<void>();
    const { keeper } = node(async (name) => {
      await store.remove(name);
      resolve();
      return await issue(name);
    });
    await using _keeper = keeper;
    keeper.start();
    await promise;
    await until(async () => (await store.exclusively(() => Promise.resolve(true))) === true);
    assert.equal(await found("c.test"), undefined);
  });

  await t.step("a key sealed by somebody else is reported, and the others are served", async () => {
    const foreign = new SecretBox(new Uint8Array(32)).seal(new Uint8Array(9), "certificate d.test");
    const { chain, notAfterMs } = (await found("a.test"))!;
    await store.put({ ...requested("d.test"), chain, notAfterMs, sealedPrivateKey: foreign });
    const { told, keeper } = node(issue);
    await keeper.refresh();
    assert.deepEqual(told.map((named) => named.map(({ names }) => names[0])), [["a.test"]]);
    assert.match(String(errors.at(-1)), /d\.test does not open/);
  });
});
