/** What every store of certificates promises; run on each implementation. */
import assert from "node:assert/strict";
import type { CertificateStore, StoredCertificate } from "./certificates.ts";

const DIRECTORY = "https://acme.test/directory";
const waiting: StoredCertificate = {
  name: "mail.example.org",
  source: "acme",
  chain: null,
  sealedPrivateKey: null,
  notAfterMs: null,
  fault: "no answer",
  retryAtMs: 1_900_000_000_123,
};
const issued: StoredCertificate = {
  ...waiting,
  chain: "-----BEGIN CERTIFICATE-----\n",
  sealedPrivateKey: new Uint8Array([1, 0, 255]),
  notAfterMs: 2_000_000_000_000,
  fault: null,
  retryAtMs: null,
};

/** @param opened two views of one empty store, as two nodes have it. */
export async function certificatesConformance(
  test: Deno.TestContext,
  { here, elsewhere }: { here: CertificateStore; elsewhere: CertificateStore },
): Promise<void> {
  await test.step("put: adds or replaces, and changes the version", async () => {
    const versions = [await elsewhere.version()];
    const put = async (certificate: StoredCertificate) => {
      await here.put(certificate);
      versions.push(await elsewhere.version());
    };
    assert.deepEqual(await here.certificates(), []);
    await put(waiting);
    assert.deepEqual(await elsewhere.certificates(), [waiting]);
    await put(issued);
    const wildcard = { ...issued, name: "*.example.org", source: "file" as const };
    await put(wildcard);
    assert.deepEqual(await elsewhere.certificates(), [wildcard, issued]);
    assert.equal(await here.remove(wildcard.name), true);
    versions.push(await elsewhere.version());
    assert.equal(await here.remove(wildcard.name), false);
    assert.deepEqual(await elsewhere.certificates(), [issued]);
    assert.equal(new Set(versions).size, versions.length);
    assert.equal(await here.version(), await elsewhere.version());
  });

  await test.step("putAccount: one for each directory", async () => {
    assert.equal(await here.account(DIRECTORY), null);
    const account = {
      directoryUrl: DIRECTORY,
      accountUrl: "https://acme.test/account/1",
      sealedPrivateKey: new Uint8Array([7]),
    };
    await here.putAccount(account);
    assert.deepEqual(await elsewhere.account(DIRECTORY), account);
    const moved = { ...account, accountUrl: "https://acme.test/account/2" };
    await here.putAccount(moved);
    assert.deepEqual(await elsewhere.account(DIRECTORY), moved);
    assert.equal(await here.account("https://other.test/directory"), null);
  });

  await test.step("putChallenge: answered by every node until it is removed", async () => {
    assert.equal(await elsewhere.challenge("token"), null);
    await here.putChallenge("token", "token.first");
    await here.putChallenge("token", "token.thumbprint");
    assert.equal(await elsewhere.challenge("token"), "token.thumbprint");
    await elsewhere.removeChallenge("token");
    await elsewhere.removeChallenge("token");
    assert.equal(await here.challenge("token"), null);
  });

  await test.step("exclusively: one node at a time, over one store or two", async () => {
    const refused = () => Promise.reject(new Error("ran beside another one"));
    const answer = await here.exclusively(async () => {
      assert.equal(await elsewhere.exclusively(refused), null);
      assert.equal(await here.exclusively(refused), null);
      // Nothing is held up meanwhile.
      await elsewhere.putChallenge("meanwhile", "answered");
      assert.equal(await here.challenge("meanwhile"), "answered");
      return 7;
    });
    assert.equal(answer, 7);
    assert.equal(await elsewhere.exclusively(() => Promise.resolve(8)), 8);
  });

  await test.step("exclusively: work that fails gives its place back, and fails as it did", async () => {
    const fault = Object.assign(new Error("the CA is away"), { code: "ECONNREFUSED" });
    await assert.rejects(
      here.exclusively(() => Promise.reject(fault)),
      (error) => error === fault,
    );
    assert.equal(await elsewhere.exclusively(() => Promise.resolve(9)), 9);
  });
}
