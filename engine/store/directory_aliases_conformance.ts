/** What every directory promises of aliases, catch-alls and plus addressing; run on each implementation. */
import assert from "node:assert/strict";
import type { DirectoryAnswer } from "../routing/route.ts";
import { MAX_TARGETS } from "./directory.ts";
import type { OpenDirectories } from "./directory_conformance.ts";

const DOMAIN = "aliases.example";
const OTHER = "more-aliases.example";
const NOBODY = { kind: "no_such_user" } as const;

const mailbox = (user: string) => ({ kind: "mailbox", domain: DOMAIN, user }) as const;
const alias = (targets: readonly string[], user: string | null = null) =>
  ({ kind: "alias", targets, user }) as const;

/** @param opened their store has neither of the domains. */
export async function directoryAliasesConformance(
  test: Deno.TestContext,
  { here, elsewhere, elapse }: OpenDirectories,
): Promise<void> {
  const add = (localPart: string, target: string) =>
    here.addAlias({ domain: DOMAIN, localPart, target });
  const expect = async (answers: Readonly<Record<string, DirectoryAnswer>>) => {
    for (const [localPart, answer] of Object.entries(answers)) {
      assert.deepEqual(await here.lookup(DOMAIN, localPart), answer, localPart);
    }
  };
  await here.addDomain(DOMAIN);
  await here.addDomain(OTHER);
  await here.addUser({ domain: DOMAIN, localPart: "ann" }, "x");

  await test.step("addAlias: each target once, in a domain that is ours", async () => {
    assert.equal(await add("sales", "bob@there.test"), "added");
    assert.equal(await add("sales", "ann@aliases.example"), "added");
    assert.equal(await add("sales", "bob@there.test"), "exists");
    const foreign = { domain: "there.test", localPart: "sales", target: "a@b.test" };
    assert.equal(await here.addAlias(foreign), "no_such_domain");
    await expect({ SALES: alias(["ann@aliases.example", "bob@there.test"]) });
    assert.deepEqual(await here.lookup(OTHER, "sales"), NOBODY);
  });

  await test.step("lookup: an alias goes before the user of its name, who is told", async () => {
    await expect({ ann: mailbox("ann") });
    await add("ann", "bob@there.test");
    await expect({ ann: alias(["bob@there.test"], "ann") });
  });

  await test.step("lookup: plus addressing falls back to the name before the first +", async () => {
    await expect({
      "sales+a+b": alias(["ann@aliases.example", "bob@there.test"]),
      "Ann+Tag": alias(["bob@there.test"], "ann"),
      "+ann": NOBODY,
      "nobody+ann": NOBODY,
    });
    await here.addUser({ domain: DOMAIN, localPart: "ann+tag" }, "x");
    await expect({
      "ann+tag": mailbox("ann+tag"),
      "ann+tag+more": alias(["bob@there.test"], "ann"),
    });
    await here.changeDomain(DOMAIN, { hasPlusAddressing: false });
    await expect({ "ann+tag": mailbox("ann+tag"), "ann+other": NOBODY, "sales+a": NOBODY });
    await here.changeDomain(DOMAIN, { hasPlusAddressing: true });
  });

  await test.step("lookup: the catch-all takes what nobody else does", async () => {
    elapse();
    assert.deepEqual(await elsewhere.lookup(DOMAIN, "nobody"), NOBODY);
    await add("", "@there.test");
    const all = alias(["@there.test"]);
    await expect({
      nobody: all,
      "nobody+tag": all,
      "+ann": all,
      "ann+tag": mailbox("ann+tag"),
      "ann+other": alias(["bob@there.test"], "ann"),
      // RFC 5321 §4.5.1
      postmaster: mailbox("ann"),
    });
    assert.deepEqual(await here.lookup(OTHER, "nobody"), NOBODY);
    elapse();
    assert.deepEqual(await elsewhere.lookup(DOMAIN, "nobody"), all);
    await add("postmaster", "ann@aliases.example");
    await expect({ postmaster: alias(["ann@aliases.example"]) });
  });

  await test.step("aliases: by domain, name and target, of one domain or of all", async () => {
    await here.addAlias({ domain: OTHER, localPart: "a", target: "b@there.test" });
    const listed = await here.aliases({ domain: DOMAIN });
    assert.deepEqual(listed.map(({ localPart, target }) => [localPart, target]), [
      ["", "@there.test"],
      ["ann", "bob@there.test"],
      ["postmaster", "ann@aliases.example"],
      ["sales", "ann@aliases.example"],
      ["sales", "bob@there.test"],
    ]);
    assert.deepEqual(await here.aliases({ domain: DOMAIN, after: listed[3] }), [listed[4]]);
    const rest = await here.aliases({ after: listed[4] });
    assert.deepEqual(rest, [{ domain: OTHER, localPart: "a", target: "b@there.test" }]);
    assert.deepEqual(await here.aliases(), [...listed, ...rest]);
  });

  await test.step("removeAlias: one target, or all", async () => {
    const sales = { domain: DOMAIN, localPart: "sales" };
    assert.equal(await here.removeAlias(sales, "nobody@there.test"), false);
    assert.equal(await here.removeAlias(sales, "bob@there.test"), true);
    await expect({ sales: alias(["ann@aliases.example"]) });
    await add("sales", "eve@there.test");
    assert.equal(await here.removeAlias(sales, null), true);
    assert.equal(await here.removeAlias(sales, null), false);
    await expect({ sales: alias(["@there.test"]) });
    assert.equal(await here.removeAlias({ domain: DOMAIN, localPart: "" }, null), true);
    await expect({ sales: NOBODY, ann: alias(["bob@there.test"], "ann") });
  });

  await test.step("addAlias: no more targets than are followed, all of which lookup answers", async () => {
    const targets = Array.from({ length: MAX_TARGETS }, (_, i) => `${10_000 + i}@there.test`);
    const all = { domain: OTHER, localPart: "all" };
    for (const target of targets) assert.equal(await here.addAlias({ ...all, target }), "added");
    assert.equal(await here.addAlias({ ...all, target: "one-more@there.test" }), "full");
    assert.equal(await here.addAlias({ ...all, target: targets[0] }), "exists");
    assert.deepEqual(await here.lookup(OTHER, "all"), alias(targets));
  });

  await test.step("removeDomain: its aliases go with it", async () => {
    assert.equal(await here.removeDomain(OTHER), "removed");
    assert.deepEqual(await here.aliases({ domain: OTHER }), []);
  });
}
