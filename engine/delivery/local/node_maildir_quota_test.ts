import assert from "node:assert/strict";
import { NodeMailboxRoom } from "./node_mailbox_room.ts";
import { type NeededRoom, NodeMaildirQuota } from "./node_maildir_quota.ts";

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

function needed(quotaOctets: number, sizeOctets: number): NeededRoom {
  return { name: nonce(), quotaOctets, sizeOctets, isFinal: false };
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
    assert.equal(await quota.hasRoom(mailbox, 1_000, 201), false);
    // Who asks only does not know what is on its way.
    assert.throws(() => Deno.statSync(`${mailbox}/maildirsize`), Deno.errors.NotFound);
    (await quota.claim(mailbox, needed(1_000, 150)))!.settle();
    assert.equal(await Deno.readTextFile(`${mailbox}/maildirsize`), "1000S\n800 3\n150 1\n");
    assert.equal(await quota.claim(mailbox, needed(1_000, 60)), null);
    nowMs += 6_000;
    // A count finds that what was settled is not there.
    (await quota.claim(mailbox, needed(1_000, 60)))!.settle();
    assert.equal(await Deno.readTextFile(`${mailbox}/maildirsize`), "1000S\n800 3\n60 1\n");
    await Deno.remove(`${mailbox}/new/1.a.host,S=400`);
    assert.equal(await quota.hasRoom(mailbox, 1_000, 600), false);
    nowMs += 6_000;
    assert.equal(await quota.hasRoom(mailbox, 1_000, 600), true);
    assert.equal(await quota.hasRoom(mailbox, 1_000, 601), false);
    // What comes meanwhile counts at once.
    (await quota.claim(mailbox, needed(1_000, 140)))!.settle();
    assert.equal(await quota.hasRoom(mailbox, 1_000, 460), true);
    assert.equal(await quota.hasRoom(mailbox, 1_000, 461), false);
    // Another limit is another file.
    assert.equal(await quota.claim(mailbox, needed(450, 100)), null);
    assert.match(await Deno.readTextFile(`${mailbox}/maildirsize`), /^450S\n400 2\n/);
  });
});

Deno.test("NodeMaildirQuota: a mailbox that is not there yet is empty, and not made", async () => {
  await inFolder(async (root) => {
    const quota = new NodeMaildirQuota({ now: Date.now, nonce });
    assert.equal(await quota.hasRoom(`${root}/none`, 100, 100), true);
    assert.equal(await quota.hasRoom(`${root}/none`, 100, 101), false);
    (await quota.claim(`${root}/none`, needed(100, 5)))!.settle();
    assert.deepEqual([...Deno.readDirSync(root)], []);
  });
});

Deno.test("NodeMaildirQuota: what is claimed is in every count until it is settled or released", async () => {
  await inFolder(async (root) => {
    let nowMs = 1_000_000;
    const quota = new NodeMaildirQuota({ now: () => nowMs, nonce });
    const mailbox = await makeMailbox(root);
    const claims = await Promise.all(
      [1, 2, 3, 4].map((n) => quota.claim(mailbox, { ...needed(1_000, 300), name: `claimed${n}` })),
    );
    assert.deepEqual(claims.map((claim) => claim !== null), [true, true, true, false]);
    const sum = async () => {
      nowMs += 6_000;
      await quota.claim(mailbox, needed(1_000, 1_000));
      return await Deno.readTextFile(`${mailbox}/maildirsize`);
    };
    assert.equal(await sum(), "1000S\n900 3\n");
    await Deno.writeTextFile(`${mailbox}/cur/claimed1:2,S`, "x".repeat(300));
    assert.equal(await sum(), "1000S\n900 3\n");
    claims[0]!.settle();
    assert.equal(await sum(), "1000S\n900 3\n");
    await claims[1]!.release();
    assert.match(await Deno.readTextFile(`${mailbox}/maildirsize`), /\n-300 -1\n$/);
    assert.equal(await quota.claim(mailbox, needed(1_000, 401)), null);
    assert.notEqual(await quota.claim(mailbox, needed(1_000, 400)), null);
  });
});

Deno.test("NodeMaildirQuota: before mail is returned the mailbox is counted, however lately it was", async () => {
  await inFolder(async (root) => {
    const quota = new NodeMaildirQuota({ now: () => 1_000_000, nonce });
    const mailbox = await makeMailbox(root);
    const copy = `${mailbox}/new/1.a.host,S=800`;
    await Deno.writeTextFile(copy, "");
    assert.equal(await quota.claim(mailbox, needed(1_000, 300)), null);
    await Deno.remove(copy);
    assert.equal(await quota.claim(mailbox, needed(1_000, 300)), null);
    assert.notEqual(await quota.claim(mailbox, { ...needed(1_000, 300), isFinal: true }), null);
  });
});

Deno.test("NodeMailboxRoom: answers for a domain's user, a full mailbox remembered for a moment", async () => {
  await inFolder(async (root) => {
    let nowMs = 1_000_000;
    const room = new NodeMailboxRoom({ root, now: () => nowMs, nonce });
    const mailbox = await makeMailbox(root);
    const ann = { domain: "example.org", user: "ann" };
    const copy = `${mailbox}/new/1.a.host,S=2000`;
    assert.equal(await room.hasRoom(ann, 1_000, 0), true);
    await Deno.writeTextFile(copy, "");
    assert.equal(await room.hasRoom(ann, 1_000, 0), false);
    await Deno.remove(copy);
    assert.equal(await room.hasRoom(ann, 1_000, 0), false);
    nowMs += 10_000;
    assert.equal(await room.hasRoom(ann, 1_000, 0), true);
    assert.equal(await room.hasRoom({ ...ann, user: "bob" }, 1_000, 0), true);
  });
});
