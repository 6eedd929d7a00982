import assert from "node:assert/strict";
import { makeSelfSigned } from "../../engine/crypto/self_signed.ts";
import { certificateContext } from "../../engine/store/certificates.ts";
import { openConsole } from "./console.ts";

Deno.test("cli: certificates", async (test) => {
  await using console = await openConsole();
  const { stores, run, json } = console;
  const directory = await Deno.makeTempDir({ prefix: "sluice-cert-" });
  const made = await makeSelfSigned(["mail.example.org", "*.example.net"], { nowMs: Date.now() });
  await Deno.writeTextFile(`${directory}/cert.pem`, made.cert);
  await Deno.writeTextFile(`${directory}/key.pem`, made.key);
  const files = `--cert ${directory}/cert.pem --key ${directory}/key.pem`;

  await test.step("add: keeps the chain, and the key sealed for the name", async () => {
    const said = await run(`cert add Mail.Example.org ${files}`);
    assert.equal(said.code, 0, said.error);
    const [stored] = await stores.certificates.certificates();
    assert.deepEqual([stored.name, stored.source], ["mail.example.org", "file"]);
    assert.match(stored.chain!, /^-----BEGIN CERTIFICATE-----/);
    const box = await stores.secrets();
    const key = box.open(stored.sealedPrivateKey!, certificateContext("mail.example.org"));
    assert.match(new TextDecoder().decode(key!), /^-----BEGIN PRIVATE KEY-----/);
    await json(`cert add *.example.net ${files}`);
    assert.match((await run("cert list")).out, /mail\.example\.org +file +good until \d{4}-/);
    assert.doesNotMatch((await run("cert list --json")).out, /PRIVATE|BEGIN/);
  });

  await test.step("add: refuses another name, and files that are not there", async () => {
    const wrong = await run(`cert add other.example ${files}`);
    assert.equal(wrong.code, 1);
    assert.match(wrong.error, /not for other\.example, but for mail\.example\.org/);
    const missing = await run(`cert add mail.example.org --cert ${directory}/none --key x`);
    assert.equal(missing.code, 1);
    assert.match(missing.error, /none: cannot be read/);
  });

  await test.step("request: a row for the server to issue, where ACME is configured", async () => {
    assert.match((await run("cert request a.example.org")).error, /set ACME_DIRECTORY_URL/);
    console.settings = { ...console.settings, hasAcme: true };
    assert.match((await run("cert request *.example.org")).error, /ACME_DNS_HOOK/);
    assert.match((await run("cert request mail.example.org")).error, /first: cert remove/);
    assert.equal((await run("cert request a.example.org")).code, 0);
    const all = await json("cert list");
    const { source, isIssued } = all.find(({ name }: { name: string }) => name === "a.example.org");
    assert.deepEqual({ source, isIssued }, { source: "acme", isIssued: false });
    assert.match((await run("cert list")).out, /a\.example\.org +acme +not issued yet/);
  });

  await test.step("request: keeps a certificate in use until the next one is there", async () => {
    const [known] = (await stores.certificates.certificates())
      .filter(({ name }) => name === "mail.example.org");
    await stores.certificates.put({ ...known, source: "acme", fault: "refused", retryAtMs: 1e12 });
    assert.match((await run("cert list")).out, /refused, tried again at 2001/);
    await json("cert request mail.example.org");
    const again = (await stores.certificates.certificates())
      .find(({ name }) => name === "mail.example.org");
    assert.deepEqual(
      [again?.chain, again?.fault, again?.retryAtMs],
      [known.chain, null, null],
    );
  });

  await test.step("remove", async () => {
    assert.equal((await run("cert remove a.example.org")).code, 0);
    assert.equal((await run("cert remove a.example.org")).code, 1);
  });
  await Deno.remove(directory, { recursive: true });
});
