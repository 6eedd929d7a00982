import assert from "node:assert/strict";
import { MAX_TARGETS } from "../../engine/store/directory.ts";
import { openConsole } from "./console.ts";

Deno.test("cli: domains, their settings and their aliases", async (test) => {
  await using console = await openConsole();
  const { stores, run, json } = console;

  await test.step("domain add makes two active keys and says what comes next", async () => {
    const added = await run("domain add Example.ORG");
    assert.equal(added.code, 0, added.error);
    assert.match(added.out, /^added example\.org\nsigning keys: .+\(rsa-sha256\), .+\(ed25519/);
    assert.match(added.out, /next: deno task cli doctor example\.org/);
    const keys = await stores.signingKeys.keys("example.org");
    assert.deepEqual(keys.map(({ algorithm, state }) => `${algorithm} ${state}`).sort(), [
      "ed25519-sha256 active",
      "rsa-sha256 active",
    ]);
    const again = await run("domain add example.org --json");
    assert.deepEqual(again, {
      code: 1,
      out: '{"error":"example.org is there already"}',
      error: "",
    });
  });

  await test.step("--no-dkim makes none; list and remove know U-labels", async () => {
    const { domain, keys } = await json("domain add bücher.example --no-dkim");
    assert.deepEqual({ domain, keys }, { domain: "xn--bcher-kva.example", keys: [] });
    assert.equal((await run("domain list")).out, "example.org\nbücher.example");
    assert.equal((await run("domain remove bücher.example")).out, "removed bücher.example");
    assert.deepEqual(await json("domain list"), [{ domain: "example.org" }]);
    assert.equal(
      (await run("domain remove bücher.example")).error,
      "no such domain: bücher.example",
    );
  });

  await test.step("domain set changes what it names and leaves the rest", async () => {
    await json("user add ann@example.org");
    const set = await run(
      "domain set example.org --delivery lmtp:/run/lmtp --plus off --catch-all Ann@Example.org",
    );
    assert.equal(set.code, 0, set.error);
    await json("domain set example.org --when-full refuse --postmaster bob@example.net");
    const { delivery, hasPlusAddressing, whenFull, catchAll, postmaster, users } = await json(
      "domain show example.org",
    );
    assert.deepEqual({ delivery, hasPlusAddressing, whenFull, catchAll, postmaster, users }, {
      delivery: "lmtp:/run/lmtp",
      hasPlusAddressing: false,
      whenFull: "refuse",
      catchAll: ["ann@example.org"],
      postmaster: ["bob@example.net"],
      users: 1,
    });
    assert.match((await run("domain show example.org")).out, /catch-all +ann@example\.org\n/);
    await json("domain set example.org --catch-all eve@example.net --postmaster none");
    const changed = await json("domain show example.org");
    assert.deepEqual([changed.catchAll, changed.postmaster], [["eve@example.net"], []]);
    await json("domain set example.org --catch-all none");
    assert.deepEqual((await json("domain show example.org")).catchAll, []);
    assert.equal((await run("domain set other.example --plus on")).code, 1);
  });

  await test.step("a webhook's secret is shown once and kept sealed for the domain", async () => {
    const url = "https://hooks.example/mail?x=1";
    const { webhookSecret } = await json([
      "domain",
      "set",
      "example.org",
      "--delivery",
      `webhook:${url.replace("https://hooks", "HTTPS:Hooks")}`,
    ]);
    assert.match(webhookSecret, /^\w{20}$/);
    const mailbox = await stores.directory.mailbox({ domain: "example.org", localPart: "ann" });
    assert.deepEqual(mailbox?.transport, { kind: "webhook", url });
    const box = await stores.secrets();
    const opened = box.open(mailbox?.sealedWebhookSecret!, "webhook example.org");
    assert.equal(new TextDecoder().decode(opened!), webhookSecret);
    const shown = await run("domain show example.org");
    assert.ok(shown.out.includes(url) && !shown.out.includes(webhookSecret));
    await json("domain set example.org --delivery maildir");
    const back = await stores.directory.mailbox({ domain: "example.org", localPart: "ann" });
    assert.equal(back?.sealedWebhookSecret, null);
  });

  await test.step("alias add, list, remove: groups, whole domains, one target", async () => {
    const group = await run("alias add Sales@example.org ann@example.org Bob@Example.net");
    assert.equal(group.out, "sales@example.org -> ann@example.org, Bob@example.net");
    assert.match(
      (await run("alias add typo@example.org an@example.org")).out,
      /note: no such user: an@example\.org/,
    );
    await json("domain add example.net --no-dkim");
    await json("alias add @example.net @example.org");
    assert.deepEqual(await json("alias list"), [
      { alias: "@example.net", targets: ["@example.org"] },
      { alias: "sales@example.org", targets: ["Bob@example.net", "ann@example.org"].sort() },
      { alias: "typo@example.org", targets: ["an@example.org"] },
    ]);
    assert.match((await run("alias add sales@example.org ANN@example.org")).error, /already/);
    assert.match((await run("alias add x@other.example a@b.example")).error, /no such domain/);
    assert.equal((await run("alias remove sales@example.org ann@example.org")).code, 0);
    assert.equal((await run("alias remove typo@example.org")).code, 0);
    assert.equal(
      (await run("alias remove typo@example.org")).error,
      "no such alias: typo@example.org",
    );
    assert.equal(
      (await run("alias list example.org")).out,
      "sales@example.org  -> Bob@example.net",
    );
  });

  await test.step("alias add: no more targets than the server follows", async () => {
    const group = { domain: "example.org", localPart: "all" };
    for (let i = 1; i < MAX_TARGETS; i++) {
      await stores.directory.addAlias({ ...group, target: `${i}@example.net` });
    }
    const refused = await run("alias add all@example.org a@example.com b@example.com");
    assert.equal(refused.code, 1);
    assert.match(refused.error, /^all@example\.org would lead to more than 1000 addresses/);
    const [{ targets }] = await json("alias list example.org");
    assert.equal(targets.length, MAX_TARGETS - 1);
    assert.equal((await run("alias add all@example.org a@example.com")).code, 0);
    await json("alias remove all@example.org");
  });

  await test.step("a domain with users stays", async () => {
    assert.match((await run("domain remove example.org")).error, /still has users/);
    await json("user remove ann@example.org");
    assert.equal((await run("domain remove example.org")).code, 0);
    assert.deepEqual(await stores.signingKeys.keys("example.org"), []);
  });
});
