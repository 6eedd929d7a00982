/** What every directory promises of its domains, users and mailboxes; run on each implementation. */
import assert from "node:assert/strict";
import type { DirectoryAdmin } from "./directory.ts";

/** Two directories of one store, as two processes see it. */
export interface OpenDirectories {
  readonly here: DirectoryAdmin;
  readonly elsewhere: DirectoryAdmin;
  /** Lets the time pass in which one must notice what the other has changed. */
  readonly elapse: () => void;
}

const DOMAIN = "example.org";
const ann = { domain: DOMAIN, localPart: "ann" };
const bob = { domain: DOMAIN, localPart: "bob" };
const UNLIMITED = { isDisabled: false, quotaOctets: null };

const mailbox = (user: string) => ({ kind: "mailbox", domain: DOMAIN, user });

/** @param opened their store is empty. */
export async function directoryConformance(
  test: Deno.TestContext,
  opened: OpenDirectories,
): Promise<void> {
  await domains(test, opened);
  await users(test, opened);
  await mailboxes(test, opened);
  const { here } = opened;

  await test.step("removeDomain: not while it has users", async () => {
    assert.equal(await here.removeDomain(DOMAIN), "has_users");
    assert.equal(await here.removeDomain("example.com"), "no_such_domain");
    assert.equal(await here.removeDomain("example.net"), "removed");
    assert.deepEqual(await here.lookup("example.net", "postmaster"), { kind: "not_local" });
    assert.equal(await here.domain("example.net"), null);
  });
}

async function domains(test: Deno.TestContext, { here }: OpenDirectories): Promise<void> {
  await test.step("lookup: an unknown domain is not local", async () => {
    assert.deepEqual(await here.lookup(DOMAIN, "ann"), { kind: "not_local" });
    assert.equal(await here.mailbox(ann), null);
  });

  await test.step("addDomain: once", async () => {
    assert.equal(await here.addDomain(DOMAIN), true);
    assert.equal(await here.addDomain(DOMAIN), false);
    assert.equal(await here.addDomain("example.net"), true);
    assert.deepEqual(await here.domains(), ["example.net", DOMAIN]);
    assert.deepEqual(await here.domains({ after: "example.net" }), [DOMAIN]);
    assert.deepEqual(await here.lookup(DOMAIN, "ann"), { kind: "no_such_user" });
  });

  await test.step("changeDomain: only what it names", async () => {
    const first = {
      name: DOMAIN,
      transport: { kind: "maildir" },
      hasPlusAddressing: true,
      whenFull: "defer",
    };
    assert.deepEqual(await here.domain(DOMAIN), first);
    const transport = { kind: "lmtp", address: "/run/lmtp" } as const;
    assert.equal(await here.changeDomain(DOMAIN, { transport }), true);
    assert.deepEqual(await here.domain(DOMAIN), { ...first, transport });
    const rest = { hasPlusAddressing: false, whenFull: "refuse" } as const;
    assert.equal(await here.changeDomain(DOMAIN, rest), true);
    assert.deepEqual(await here.domain(DOMAIN), { name: DOMAIN, transport, ...rest });
    assert.equal(await here.changeDomain(DOMAIN, {}), true);
    assert.equal(await here.changeDomain("example.com", {}), false);
    assert.equal(await here.changeDomain("example.com", rest), false);
    assert.deepEqual(await here.domain(DOMAIN), { name: DOMAIN, transport, ...rest });
  });

  await test.step("lookup: postmaster is there even without users (RFC 5321 §4.5.1)", async () => {
    assert.deepEqual(await here.lookup(DOMAIN, "Postmaster"), mailbox("postmaster"));
  });
}

async function users(
  test: Deno.TestContext,
  { here, elsewhere, elapse }: OpenDirectories,
): Promise<void> {
  await test.step("addUser: once, in a domain that is ours", async () => {
    assert.equal(await here.addUser(bob, "hash of bob"), "added");
    assert.equal(await here.addUser(ann, "hash of ann"), "added");
    assert.equal(await here.addUser(ann, "another"), "exists");
    assert.equal(await here.addUser({ ...ann, domain: "example.com" }, "x"), "no_such_domain");
    const listed = [{ ...ann, ...UNLIMITED }, { ...bob, ...UNLIMITED }];
    assert.deepEqual(await here.users({ domain: DOMAIN }), listed);
    assert.deepEqual(await here.users(), listed);
    assert.deepEqual(await here.users({ after: ann }), listed.slice(1));
    assert.deepEqual(await here.users({ domain: DOMAIN, after: ann }), listed.slice(1));
    assert.deepEqual(await here.users({ domain: "example.net" }), []);
  });

  await test.step("lookup: without regard to case; postmaster falls to the first user enabled", async () => {
    assert.deepEqual(await here.lookup(DOMAIN, "ANN"), mailbox("ann"));
    assert.deepEqual(await here.lookup(DOMAIN, "POSTMASTER"), mailbox("bob"));
    await here.changeUser(bob, { isDisabled: true });
    assert.deepEqual(await here.lookup(DOMAIN, "postmaster"), mailbox("ann"));
    await here.changeUser(ann, { isDisabled: true });
    assert.deepEqual(await here.lookup(DOMAIN, "postmaster"), mailbox("postmaster"));
    await here.changeUser(ann, { isDisabled: false });
    await here.changeUser(bob, { isDisabled: false });
    const own = { ...ann, localPart: "postmaster" };
    await here.addUser(own, "x");
    assert.deepEqual(await here.lookup(DOMAIN, "postmaster"), mailbox("postmaster"));
    await here.removeUser(own);
  });

  await test.step("lookup: a change made elsewhere is seen, both ways", async () => {
    const eve = { ...ann, localPart: "eve" };
    assert.deepEqual(await elsewhere.lookup(DOMAIN, "eve"), { kind: "no_such_user" });
    assert.equal(await here.addUser(eve, "x"), "added");
    elapse();
    assert.deepEqual(await elsewhere.lookup(DOMAIN, "eve"), mailbox("eve"));
    assert.equal(await here.removeUser(eve), true);
    assert.equal(await here.removeUser(eve), false);
    elapse();
    assert.deepEqual(await elsewhere.lookup(DOMAIN, "eve"), { kind: "no_such_user" });
  });

  await test.step("changeUser: only what it names, of a user who is there", async () => {
    assert.equal(await here.changeUser(ann, { quotaOctets: 5e9 }), true);
    assert.equal(await here.changeUser(ann, { isDisabled: true }), true);
    assert.equal(await here.changeUser(ann, {}), true);
    const [listed] = await here.users({ domain: DOMAIN });
    assert.deepEqual(listed, { ...ann, isDisabled: true, quotaOctets: 5e9 });
    const nobody = { ...ann, localPart: "nobody" };
    assert.equal(await here.changeUser(nobody, { isDisabled: true }), false);
    assert.equal(await here.changeUser(nobody, {}), false);
    assert.deepEqual((await here.users({ after: ann }))[0], { ...bob, ...UNLIMITED });
  });
}

async function mailboxes(
  test: Deno.TestContext,
  { here, elsewhere, elapse }: OpenDirectories,
): Promise<void> {
  const transport = { kind: "webhook", url: "https://hook.test/" } as const;
  const sealedWebhookSecret = new Uint8Array([0, 255, 92, 39]);

  await test.step("mailbox: the domain's settings, and the user's quota", async () => {
    await elsewhere.mailbox(ann);
    await here.changeDomain(DOMAIN, { transport, sealedWebhookSecret });
    const settings = { transport, sealedWebhookSecret, whenFull: "refuse" };
    elapse();
    assert.deepEqual(await elsewhere.mailbox(ann), { ...settings, quotaOctets: 5e9 });
    const postmaster = { ...ann, localPart: "postmaster" };
    assert.deepEqual(await here.mailbox(postmaster), { ...settings, quotaOctets: null });
    await here.changeUser(ann, { quotaOctets: null });
    assert.deepEqual(await here.mailbox(ann), { ...settings, quotaOctets: null });
  });

  await test.step("mailbox: a secret is kept until it is taken away", async () => {
    await here.changeDomain(DOMAIN, { transport });
    assert.deepEqual((await here.mailbox(ann))?.sealedWebhookSecret, sealedWebhookSecret);
    await here.changeDomain(DOMAIN, { sealedWebhookSecret: null });
    assert.equal((await here.mailbox(ann))?.sealedWebhookSecret, null);
  });
}
