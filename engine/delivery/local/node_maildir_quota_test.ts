import assert from "node:assert/strict";
import { NodeMailboxRoom } from "./node_mailbox_room.ts";
import { NodeMaildirQuota } from "./node_maildir_quota.ts";

const nonce = () => crypto.randomUUID().replaceAll("-", "");

async function inFolder(run: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "sluice-quota-" });
  try {
    await run(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function makeMailbox(root: string): Promise<string> {
  const mailbox = `${root}/example.org/ann`;
  for (const folder of ["new", "cur", "tmp", ".Sent/new", ".Sent/cur"]) {
    await Deno.mkdir(`${mailbox}/${folder}`, { recursive: true });
  }
  return mailbox;
}

Deno.test("NodeMaildirQuota: counts all folders, adds deliveries, notices what others deleted", async () => {
  await inFolder(async (root) => {
    let nowMs = 1_000_000;
    const quota = new NodeMaildirQuota({ now: () => nowMs, nonce });
    const mailbox = await makeMailbox(root);
    await Deno.writeTextFile(`${mailbox}/new/1.a.host,S=400`, "named, not measured");
    await Deno.writeTextFile(`${mailbox}/cur/2.b.host:2,S`, "x".repeat(100));
    await Deno.writeTextFile(`${mailbox}/.Sent/cur/3.c.host,S=300:2,S`, "");
    assert.equal(await quota.hasRoom(mailbox, 1_000, 200), true);
    assert.equal(await Deno.readTextFile(`${mailbox}/maildirsize`), "1000S\n800 3\n");
    await quota.added(mailbox, 150);
    assert.equal(await quota.hasRoom(mailbox, 1_000, 50), true);
    // The sum of the file says full; a count finds the added message is not there.
    assert.equal(await quota.hasRoom(mailbox, 1_000, 60), false);
    nowMs += 6_000;
    assert.equal(await quota.hasRoom(mailbox, 1_000, 60), true);
    await Deno.remove(`${mailbox}/new/1.a.host,S=400`);
    nowMs += 6_000;
    assert.equal(await quota.hasRoom(mailbox, 1_000, 600), true);
    // Another limit is another file.
    assert.equal(await quota.hasRoom(mailbox, 450, 100), false);
    assert.match(await Deno.readTextFile(`${mailbox}/maildirsize`), /^450S\n400 2\n/);
  });
});

Deno.test("NodeMaildirQuota: a mailbox that is not there yet is empty, and not made", async () => {
  await inFolder(async (root) => {
    const quota = new NodeMaildirQuota({ now: Date.now, nonce });
    assert.equal(await quota.hasRoom(`${root}/none`, 100, 100), true);
    assert.equal(await quota.hasRoom(`${root}/none`, 100, 101), false);
    await quota.added(`${root}/none`, 5);
    assert.deepEqual([...Deno.readDirSync(root)], []);
  });
});

Deno.test("NodeMailboxRoom: answers for a domain's user, remembered for a moment", async () => {
  await inFolder(async (root) => {
    let nowMs = 1_000_000;
    const room = new NodeMailboxRoom({ root, now: () => nowMs, nonce });
    const mailbox = await makeMailbox(root);
    const ann = { domain: "example.org", user: "ann" };
    assert.equal(await room.hasRoom(ann, 1_000, 0), true);
    await Deno.writeTextFile(`${mailbox}/new/1.a.host,S=2000`, "");
    await Deno.remove(`${mailbox}/maildirsize`);
    assert.equal(await room.hasRoom(ann, 1_000, 0), true);
    nowMs += 10_000;
    assert.equal(await room.hasRoom(ann, 1_000, 0), false);
    assert.equal(await room.hasRoom({ ...ann, user: "bob" }, 1_000, 0), true);
  });
});
