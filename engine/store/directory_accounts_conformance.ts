/** What every directory promises of accounts: passwords, limits, grants; run on each implementation. */
import assert from "node:assert/strict";
import { DIRECTORY_PAGE } from "./directory.ts";
import type { OpenDirectories } from "./directory_conformance.ts";

const DOMAIN = "accounts.example";
const ann = { domain: DOMAIN, localPart: "ann" };
const odd = { domain: DOMAIN, localPart: "odd name" };
const nobody = { domain: DOMAIN, localPart: "nobody" };
const tag = (tag: string) => ({ tag, label: `of ${tag}`, passwordHash: `hash of ${tag}` });

/** @param opened their store does not have the domain. */
export async function directoryAccountsConformance(
  test: Deno.TestContext,
  { here, elsewhere, elapse }: OpenDirectories,
): Promise<void> {
  await here.addDomain(DOMAIN);
  await here.addUser(ann, "hash of ann");
  await here.addUser(odd, "hash of odd");
  const first = {
    user: ann,
    isDisabled: false,
    passwordHash: "hash of ann",
    appPasswords: [],
    sealedCramSecret: null,
    messagesPerHour: null,
    messagesPerDay: null,
    senders: [],
  };

  await test.step("account: of a user who is there", async () => {
    assert.deepEqual(await here.account(ann), first);
    assert.equal(await here.account(nobody), null);
    assert.equal(await here.account({ ...ann, domain: "elsewhere.example" }), null);
  });

  await test.step("setPassword: seen elsewhere too", async () => {
    assert.equal((await elsewhere.account(ann))?.passwordHash, "hash of ann");
    assert.equal(await here.setPassword(ann, "new"), true);
    assert.equal(await here.setPassword(nobody, "new"), false);
    assert.equal((await here.account(ann))?.passwordHash, "new");
    elapse();
    assert.equal((await elsewhere.account(ann))?.passwordHash, "new");
  });

  await test.step("changeUser: limits and secrets of an account", async () => {
    const limits = { messagesPerHour: 10, messagesPerDay: 3e9 };
    const sealedCramSecret = new Uint8Array([1, 0, 2]);
    await here.changeUser(ann, { ...limits, sealedCramSecret, isDisabled: true });
    const changed = { ...first, passwordHash: "new" };
    assert.deepEqual(await here.account(ann), {
      ...changed,
      ...limits,
      sealedCramSecret,
      isDisabled: true,
    });
    const none = { messagesPerHour: null, messagesPerDay: null, sealedCramSecret: null };
    await here.changeUser(ann, { ...none, isDisabled: false });
    assert.deepEqual(await here.account(ann), changed);
  });

  await test.step("addAppPassword: each tag once, listed without its hash", async () => {
    const beforeMs = Date.now() - 60_000;
    assert.equal(await here.addAppPassword(ann, tag("phone")), "added");
    assert.equal(await here.addAppPassword(ann, tag("laptop")), "added");
    assert.equal(await here.addAppPassword(ann, tag("phone")), "exists");
    assert.equal(await here.addAppPassword(nobody, tag("phone")), "no_such_user");
    const listed = await here.appPasswords(ann);
    assert.deepEqual(
      listed.map(({ tag, label }) => [tag, label]),
      [["laptop", "of laptop"], ["phone", "of phone"]],
    );
    assert.ok(listed.every(({ createdAtMs }) => createdAtMs > beforeMs));
    assert.deepEqual(Object.keys(listed[0]).sort(), ["createdAtMs", "label", "tag"]);
    assert.deepEqual((await here.account(ann))?.appPasswords, [
      { tag: "laptop", passwordHash: "hash of laptop" },
      { tag: "phone", passwordHash: "hash of phone" },
    ]);
    assert.equal(await here.removeAppPassword(ann, "laptop"), true);
    assert.equal(await here.removeAppPassword(ann, "laptop"), false);
    assert.deepEqual((await here.appPasswords(ann)).map(({ tag }) => tag), ["phone"]);
    assert.deepEqual(await here.appPasswords(odd), []);
  });

  await test.step("addGrant: whom a user may send as", async () => {
    assert.equal(await here.addGrant(ann, "sales@accounts.example"), "added");
    assert.equal(await here.addGrant(ann, "*"), "added");
    assert.equal(await here.addGrant(ann, "*"), "exists");
    assert.equal(await here.addGrant(nobody, "*"), "no_such_user");
    assert.deepEqual(await here.grants(ann), ["*", "sales@accounts.example"]);
    assert.deepEqual((await here.account(ann))?.senders, ["*", "sales@accounts.example"]);
    assert.equal(await here.removeGrant(ann, "*"), true);
    assert.equal(await here.removeGrant(ann, "*"), false);
    assert.deepEqual((await here.account(ann))?.senders, ["sales@accounts.example"]);
  });

  await test.step("aliasesTo: what leads to the user and is no other user's name", async () => {
    const add = (localPart: string, target: string) =>
      here.addAlias({ domain: DOMAIN, localPart, target });
    await add("sales", "ann@accounts.example");
    await add("info", "ann@accounts.example");
    await add("not hers", "nann@accounts.example");
    await add("nor this", "ann@accounts.example.net");
    await add("", '"odd name"@accounts.example');
    await add("other odd", '"odd name"@accounts.example');
    // A copy for her, of mail that stays his.
    await add("odd name", "ann@accounts.example");
    await add("ann", "ann@accounts.example");
    const named = (localParts: readonly string[]) =>
      localParts.map((localPart) => ({ domain: DOMAIN, localPart }));
    assert.deepEqual(await here.aliasesTo(ann), named(["info", "sales"]));
    assert.deepEqual(await here.aliasesTo(odd), named(["", "other odd"]));
    assert.deepEqual(await here.aliasesTo(nobody), []);
    assert.deepEqual((await here.account(odd))?.senders, []);
    await here.removeAlias({ domain: DOMAIN, localPart: "" }, null);
    await here.removeAlias(odd, null);
    assert.deepEqual(await elsewhere.aliasesTo(odd), named(["other odd"]));
  });

  await test.step("account: of very many senders it answers a page", async () => {
    for (let i = 0; i <= DIRECTORY_PAGE; i++) await here.addGrant(odd, `${i}@accounts.example`);
    assert.equal((await here.account(odd))?.senders.length, DIRECTORY_PAGE);
  });

  await test.step("removeUser: what the user was given goes too", async () => {
    assert.equal(await here.removeUser(ann), true);
    assert.equal(await here.account(ann), null);
    await here.addUser(ann, "again");
    assert.deepEqual(await here.grants(ann), []);
    assert.deepEqual(await here.appPasswords(ann), []);
  });
}
