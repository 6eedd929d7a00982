/** What every directory promises; run on each implementation. */
import assert from "node:assert/strict";
import type { DirectoryAdmin } from "./directory.ts";

/**
 * @param open two directories of one empty store, as two processes see it; `elapse` lets the time pass
 * in which the second must notice a change.
 */
export async function directoryConformance(
  test: Deno.TestContext,
  open: () => { here: DirectoryAdmin; elsewhere: DirectoryAdmin; elapse: () => void },
): Promise<void> {
  const { here, elsewhere, elapse } = open();
  const ann = { domain: "example.org", localPart: "ann" };
  const bob = { domain: "example.org", localPart: "bob" };

  await test.step("lookup: an unknown domain is not local", async () => {
    assert.deepEqual(await here.lookup("example.org", "ann"), { kind: "not_local" });
  });

  await test.step("addDomain: once", async () => {
    assert.equal(await here.addDomain("example.org"), true);
    assert.equal(await here.addDomain("example.org"), false);
    assert.equal(await here.addDomain("example.net"), true);
    assert.deepEqual(await here.domains(), ["example.net", "example.org"]);
    assert.deepEqual(await here.domains({ after: "example.net" }), ["example.org"]);
    assert.deepEqual(await here.lookup("example.org", "ann"), { kind: "no_such_user" });
  });

  await test.step("lookup: postmaster is there even without users (RFC 5321 §4.5.1)", async () => {
    assert.deepEqual(await here.lookup("example.org", "Postmaster"), {
      kind: "mailbox",
      user: "postmaster",
    });
  });

  await test.step("addUser: once, in a domain that is ours", async () => {
    assert.equal(await here.addUser(bob, "hash of bob"), "added");
    assert.equal(await here.addUser(ann, "hash of ann"), "added");
    assert.equal(await here.addUser(ann, "another"), "exists");
    assert.equal(await here.addUser({ ...ann, domain: "example.com" }, "x"), "no_such_domain");
    assert.deepEqual(await here.users({ domain: "example.org" }), [ann, bob]);
    assert.deepEqual(await here.users({ after: ann }), [bob]);
    assert.deepEqual(await here.users({ domain: "example.net" }), []);
    assert.equal(await here.passwordHash(ann), "hash of ann");
    assert.equal(await here.passwordHash({ ...ann, localPart: "eve" }), null);
  });

  await test.step("lookup: without regard to case; postmaster falls to the first user", async () => {
    assert.deepEqual(await here.lookup("example.org", "ANN"), { kind: "mailbox", user: "ann" });
    assert.deepEqual(await here.lookup("example.org", "POSTMASTER"), {
      kind: "mailbox",
      user: "bob",
    });
    const own = { ...ann, localPart: "postmaster" };
    await here.addUser(own, "x");
    assert.deepEqual(await here.lookup("example.org", "postmaster"), {
      kind: "mailbox",
      user: "postmaster",
    });
    await here.removeUser(own);
  });

  await test.step("lookup: a change made elsewhere is seen, both ways", async () => {
    const eve = { ...ann, localPart: "eve" };
    assert.deepEqual(await elsewhere.lookup("example.org", "eve"), { kind: "no_such_user" });
    assert.equal(await here.addUser(eve, "x"), "added");
    elapse();
    assert.deepEqual(await elsewhere.lookup("example.org", "eve"), {
      kind: "mailbox",
      user: "eve",
    });
    assert.equal(await here.removeUser(eve), true);
    assert.equal(await here.removeUser(eve), false);
    elapse();
    assert.deepEqual(await elsewhere.lookup("example.org", "eve"), { kind: "no_such_user" });
  });

  await test.step("setPassword: of a user who is there", async () => {
    assert.equal(await here.setPassword(ann, "new"), true);
    assert.equal(await here.setPassword({ ...ann, localPart: "eve" }, "new"), false);
    assert.equal(await elsewhere.passwordHash(ann), "new");
  });

  await test.step("removeDomain: not while it has users", async () => {
    assert.equal(await here.removeDomain("example.org"), "has_users");
    assert.equal(await here.removeDomain("example.com"), "no_such_domain");
    assert.equal(await here.removeDomain("example.net"), "removed");
    assert.deepEqual(await here.lookup("example.net", "postmaster"), { kind: "not_local" });
  });
}
