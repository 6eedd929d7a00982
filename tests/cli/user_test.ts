import assert from "node:assert/strict";
import { verifyPassword } from "../../engine/crypto/password.ts";
import { openConsole } from "./console.ts";

const ANN = { domain: "example.org", localPart: "ann" };

Deno.test("cli: users and what they may", async (test) => {
  await using console = await openConsole();
  const { stores, run, json } = console;
  await json("domain add example.org --no-dkim");
  const passwordHash = async () => (await stores.directory.account(ANN))?.passwordHash ?? null;

  await test.step("user add makes a password or takes the one on standard input", async () => {
    const { user, password } = await json("user add Ann@Example.org");
    assert.equal(user, "ann@example.org");
    assert.ok(await verifyPassword(password, await passwordHash()));
    const said = await run("user password ann@example.org --password -", "from stdin");
    assert.deepEqual(said, { code: 0, out: "password set for ann@example.org", error: "" });
    assert.ok(await verifyPassword("from stdin", await passwordHash()));
    const none = await run("user password ann@example.org --password -", "");
    assert.equal(none.code, 2);
    assert.match((await run("user add eve@example.net")).error, /first: domain add example\.net/);
    assert.match((await run("user add ann@example.org")).error, /is there already/);
    assert.equal((await run("user password bob@example.org")).code, 1);
  });

  await test.step("quota, limits, disable: listed and shown", async () => {
    await json("user add bob@example.org --password bob");
    assert.equal(
      (await run("user quota ann@example.org 1.5G")).out,
      "ann@example.org has a quota of 1536M",
    );
    await json("user limits ann@example.org --per-hour 50 --per-day default");
    assert.equal((await run("user disable bob@example.org")).code, 0);
    assert.equal(
      (await run("user list example.org")).out,
      "ann@example.org  quota 1536M\nbob@example.org  disabled",
    );
    assert.deepEqual((await json("user list"))[1], {
      user: "bob@example.org",
      isDisabled: true,
      quotaOctets: null,
    });
    const shown = await json("user show ann@example.org");
    assert.equal(shown.quotaOctets, 1536 * 1024 ** 2);
    assert.deepEqual([shown.messagesPerHour, shown.messagesPerDay], [50, null]);
    await json("user limits ann@example.org --per-hour default");
    await json("user quota ann@example.org none");
    await json("user enable bob@example.org");
    assert.match((await run("user show ann@example.org")).out, /quota +none\n.*server's an hour/);
    assert.equal((await run("user list")).out, "ann@example.org\nbob@example.org");
    assert.equal((await run("user show eve@example.org")).error, "no such user: eve@example.org");
    assert.equal((await run("user quota eve@example.org 1G")).code, 1);
    for (const noun of ["user", "alias"]) {
      const said = await run(`${noun} list nodomain.test`);
      assert.equal(said.code, 1);
      assert.match(said.error, /^no such domain: nodomain\.test/);
    }
  });

  await test.step("app-password add, list, remove: hashed as a whole, found by tag", async () => {
    const made = await json("user app-password add ann@example.org --label phone");
    assert.match(made.password, /^\w{4}-\w{20}$/);
    assert.equal(made.tag, made.password.slice(0, 4));
    const account = await stores.directory.account(ANN);
    const stored = account?.appPasswords.find(({ tag }) => tag === made.tag);
    assert.ok(await verifyPassword(made.password, stored!.passwordHash));
    const listed = await run("user app-password list ann@example.org");
    assert.match(listed.out, new RegExp(`^${made.tag}  since \\S+  phone$`));
    const shown = await run("user show ann@example.org");
    assert.ok(shown.out.includes(made.tag) && !shown.out.includes(made.password));
    assert.equal((await run(`user app-password remove ann@example.org ${made.tag}`)).code, 0);
    assert.equal((await run(`user app-password remove ann@example.org ${made.tag}`)).code, 1);
    assert.deepEqual(await json("user app-password list ann@example.org"), []);
    assert.equal((await run("user app-password add eve@example.org --label x")).code, 1);
    assert.equal((await run("user app-password list eve@example.org")).code, 1);
  });

  await test.step("cram-md5 on, off: a password of its own, sealed for the user", async () => {
    const { cramMd5Password } = await json("user cram-md5 on ann@example.org");
    const sealed = (await stores.directory.account(ANN))?.sealedCramSecret;
    const opened = (await stores.secrets()).open(sealed!, "cram ann@example.org");
    assert.equal(new TextDecoder().decode(opened!), cramMd5Password);
    const own = await run("user cram-md5 on ann@example.org --password -", "mine");
    assert.match(own.out, /password: mine[^]*own password does not work with that/);
    assert.match((await run("user show ann@example.org")).out, /CRAM-MD5 +on/);
    await json("user cram-md5 off ann@example.org");
    assert.equal((await stores.directory.account(ANN))?.sealedCramSecret, null);
    assert.equal((await run("user cram-md5 on eve@example.org")).code, 1);
  });

  await test.step("grant, ungrant", async () => {
    await json("alias add sales@example.org ann@example.org");
    for (const sender of ["Boss@Example.org", "@Example.net", "*"]) {
      await json(["user", "grant", "ann@example.org", sender]);
    }
    const shown = await json("user show ann@example.org");
    assert.deepEqual(shown.grants.toSorted(), ["*", "@example.net", "boss@example.org"]);
    assert.deepEqual(shown.aliases, ["sales@example.org"]);
    await json("alias add bob@example.org bob@example.org ann@example.org");
    await json("alias add @example.org ann@example.org");
    const { out } = await run("user show ann@example.org");
    assert.match(out, /^ +@example\.org, names nobody else has$/m);
    assert.doesNotMatch(out, /^ +bob@example\.org$/m);
    assert.match((await run("user grant ann@example.org *")).error, /already/);
    assert.equal((await run("user ungrant ann@example.org boss@example.org")).code, 0);
    assert.equal((await run("user ungrant ann@example.org boss@example.org")).code, 1);
    assert.equal(
      (await run("user grant eve@example.org *")).error,
      "no such user: eve@example.org",
    );
  });
});
