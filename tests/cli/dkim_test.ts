import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { Buffer } from "node:buffer";
import { signingKeyContext } from "../../engine/store/signing_keys.ts";
import { openConsole } from "./console.ts";

interface Shown {
  readonly selector: string;
  readonly algorithm: string;
  readonly state: string;
  readonly record: { readonly name: string; readonly value: string };
}

Deno.test("cli: signing keys from making to removal", async (test) => {
  await using console = await openConsole();
  const { stores, run, json, publish } = console;
  await json("domain add example.org --no-dkim");
  const states = async () =>
    (await json("dkim list example.org")).map(({ selector, state }: Shown) =>
      `${selector} ${state}`
    );

  await test.step("generate: the first key of an algorithm is active, the next one waits", async () => {
    const said = await run("dkim generate example.org --algorithm rsa --selector S1");
    assert.equal(said.code, 0, said.error);
    assert.match(said.out, /s1 signs mail of example\.org from this moment\.[^]*--waiting/);
    assert.match(said.out, /name: +s1\._domainkey\.example\.org\n +value: +v=DKIM1;/);
    assert.match(said.out, /s1\._domainkey\.example\.org\. IN TXT \( "v=DKIM1[^"]*" "[^"]+" \)/);
    await json("dkim generate example.org --algorithm rsa --selector s2");
    await json("dkim generate example.org --algorithm ed25519 --selector e1");
    assert.deepEqual(await states(), ["e1 active", "s1 active", "s2 waiting"]);
    const taken = await run("dkim generate example.org --algorithm ed25519 --selector s1");
    assert.match(taken.error, /has a key s1 already; .*--selector/);
    assert.match((await run("dkim generate other.example")).error, /no such domain/);
  });

  await test.step("generate: refuses a second waiting key, of which one could not become active alone", async () => {
    const said = await run("dkim generate example.org --algorithm rsa --selector s3");
    assert.match(said.error, /waiting already: s2; .*dkim switch/);
    assert.match((await run("dkim generate example.org")).error, /waiting already: s2/);
    assert.deepEqual(await states(), ["e1 active", "s1 active", "s2 waiting"]);
  });

  await test.step("what is sealed is the private half of what is published", async () => {
    const box = await stores.secrets();
    for (const key of await stores.signingKeys.keys("example.org")) {
      const opened = box.open(key.sealedPrivateKey, signingKeyContext(key));
      const privateKey = createPrivateKey({
        key: Buffer.from(opened!),
        format: "der",
        type: "pkcs8",
      });
      const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
      assert.ok(spki.includes(Buffer.from(key.publicKey, "base64").subarray(-32)), key.selector);
    }
  });

  await test.step("switch: refuses while a record is missing, differs, or cannot be asked for", async () => {
    const name = "s2._domainkey.example.org";
    const [{ record }]: [Shown] = await json("dkim show example.org s2");
    const [{ record: other }]: [Shown] = await json("dkim show example.org s1");
    for (
      const [zone, reason] of [
        [{}, /there is no DKIM record/],
        [{ [name]: { txt: ["v=spf1 -all"] } }, /no DKIM record/],
        [{ [name]: { txt: [other.value] } }, /another key/],
        [{ [name]: { txt: [record.value, other.value] } }, /2 DKIM records/],
        [{ [name]: { txt: [record.value.replace(/p=.*/, "p=")] } }, /revoked/],
        [{ [name]: { txt: [record.value.replace("k=rsa", "k=ed25519")] } }, /ed25519/],
        [{ [name]: { fails: "servfail" } }, /could not be looked up: the DNS server failed/],
      ] as const
    ) {
      publish(zone);
      const said = await run("dkim switch example.org");
      assert.equal(said.code, 1, said.out);
      assert.match(said.error, /^not switched/);
      assert.match(said.error, reason);
    }
    assert.deepEqual(await states(), ["e1 active", "s1 active", "s2 waiting"]);
    publish({ [name]: { txt: [record.value] } });
    const switched = await run("dkim switch example.org");
    assert.equal(switched.code, 0, switched.error);
    assert.match(switched.out, /^example\.org signs with s2\n.*stay until \d{4}-/);
    assert.deepEqual(await states(), ["e1 active", "s1 retired", "s2 active"]);
    assert.match((await run("dkim switch example.org")).error, /first: dkim rotate/);
  });

  await test.step("rotate: two waiting keys and the steps; once only; --unchecked does not look", async () => {
    const said = await run("dkim rotate example.org");
    assert.equal(said.code, 0, said.error);
    assert.match(said.out, /1\. Publish[^]*2\. [^]*dkim switch example\.org[^]*3\. A week/);
    assert.match((await run("dkim rotate example.org")).error, /waiting already/);
    const first: Shown[] = await json("dkim list example.org");
    const { active, retired } = await json("dkim switch example.org --unchecked");
    assert.equal(active.length, 2);
    assert.deepEqual(retired.toSorted(), ["e1", "s2"]);
    const again: Shown[] = await json("dkim rotate example.org");
    const taken = first.map(({ selector }) => selector);
    // Both of a month: the second pair has other names.
    const isNew = ({ selector }: Shown) =>
      /^\d{6}[re]-[0-9a-f]{6}$/.test(selector) && !taken.includes(selector);
    assert.ok(again.every(isNew), JSON.stringify(again));
  });

  await test.step("remove: says when nothing signs any more", async () => {
    const keys: Shown[] = await json("dkim list");
    let last = "";
    for (const { selector } of keys.toSorted((a) => a.state === "active" ? 1 : -1)) {
      last = (await run(`dkim remove example.org ${selector}`)).out;
    }
    assert.match(last, /example\.org signs nothing now/);
    assert.equal((await run("dkim remove example.org s1")).code, 1);
    assert.match((await run("dkim show example.org")).error, /no signing key/);
  });

  await test.step("generate --waiting: the first key too waits for its record, and removed names stay unused", async () => {
    const [{ selector, state, record }]: [Shown] = await json(
      "dkim generate example.org --algorithm rsa --waiting",
    );
    assert.equal(state, "waiting");
    assert.match((await run("dkim switch example.org")).error, /not switched/);
    publish({ [record.name]: { txt: [record.value] } });
    assert.match((await run("dkim switch example.org")).out, /^example\.org signs with/);
    assert.deepEqual(await states(), [`${selector} active`]);
    await json(`dkim remove example.org ${selector}`);
    const [next]: [Shown] = await json("dkim generate example.org --algorithm rsa");
    assert.notEqual(next.selector, selector);
  });
});
