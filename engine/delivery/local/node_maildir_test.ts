import assert from "node:assert/strict";
import { deliveryId, type QueueId } from "../../mail/queue_id.ts";
import type { LocalRequest } from "./local_delivery.ts";
import { deferredBy, NodeMaildir } from "./node_maildir.ts";

const QUEUE_ID = "01J0000000000" as QueueId;
const BODY = new TextEncoder().encode("Subject: x\r\n\r\nb\u00f6dy\r\n");

const REQUEST: LocalRequest = {
  id: deliveryId(QUEUE_ID, 0),
  domain: "example.org",
  user: "ann",
  settings: {
    transport: { kind: "maildir" },
    sealedWebhookSecret: null,
    quotaOctets: null,
    whenFull: "defer",
  },
  folder: "inbox",
  reversePath: "bob@example.com",
  forwardPath: "ann@example.org",
  queuedAtMs: 1_767_323_045_678,
  octets: BODY,
  mayBeRepeated: true,
};

const NAME = "1767323045.01J0000000000_0.sluice,S=84";

function counter(): () => string {
  let made = 0;
  return () => `n${made++}`;
}

async function withStore(run: (store: NodeMaildir, root: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "sluice-maildir-" });
  try {
    const root = `${folder}/mail`;
    const junkFolder = "Junk";
    await run(new NodeMaildir({ root, nonce: counter(), now: Date.now, junkFolder }), root);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Every path below a folder, relative to it. */
function paths(folder: string, prefix = ""): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) =>
    entry.isDirectory
      ? paths(`${folder}/${entry.name}`, `${prefix}${entry.name}/`)
      : [prefix + entry.name]
  ).sort();
}

Deno.test("NodeMaildir.deliver: puts trace fields on top and leaves the octets alone (RFC 5321 §4.4)", async () => {
  await withStore(async (store, root) => {
    assert.deepEqual(await store.deliver(REQUEST), { kind: "delivered", repeated: false });
    assert.deepEqual(paths(root), [`example.org/ann/new/${NAME}`]);
    const copy = Deno.readFileSync(`${root}/example.org/ann/new/${NAME}`);
    const trace = "Return-Path: <bob@example.com>\r\nDelivered-To: ann@example.org\r\n";
    assert.equal(new TextDecoder().decode(copy), trace + new TextDecoder().decode(BODY));
    assert.equal(NAME, `1767323045.01J0000000000_0.sluice,S=${copy.length}`);
  });
});

Deno.test("NodeMaildir.deliver: nobody else may read mail", async () => {
  await withStore(async (store, root) => {
    await store.deliver(REQUEST);
    const mode = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;
    for (const path of ["", "/example.org", "/example.org/ann", "/example.org/ann/cur"]) {
      assert.equal(mode(root + path), 0o700, path);
    }
    assert.equal(mode(`${root}/example.org/ann/new/${NAME}`), 0o600);
  });
});

Deno.test("NodeMaildir.deliver: a repeated attempt leaves one copy, unread or read", async () => {
  await withStore(async (store, root) => {
    const mailbox = `${root}/example.org/ann`;
    await store.deliver(REQUEST);
    assert.deepEqual(await store.deliver(REQUEST), { kind: "delivered", repeated: true });
    // Without the search the new copy takes the old one's place.
    await store.deliver({ ...REQUEST, mayBeRepeated: false });
    assert.deepEqual(paths(mailbox), [`new/${NAME}`]);
    Deno.renameSync(`${mailbox}/new/${NAME}`, `${mailbox}/cur/${NAME}:2,FS`);
    assert.deepEqual(await store.deliver(REQUEST), { kind: "delivered", repeated: true });
    assert.deepEqual(paths(mailbox), [`cur/${NAME}:2,FS`]);
  });
});

Deno.test("NodeMaildir.deliver: another recipient's copy is another copy, also under a longer number", async () => {
  await withStore(async (store, root) => {
    for (const recipient of [1, 12, 2]) {
      await store.deliver({ ...REQUEST, id: deliveryId(QUEUE_ID, recipient) });
    }
    assert.equal(paths(root).length, 3);
  });
});

Deno.test("NodeMaildir.deliver: what a crashed attempt left in tmp is no copy and no hindrance", async () => {
  await withStore(async (store, root) => {
    const tmp = `${root}/example.org/ann/tmp`;
    Deno.mkdirSync(tmp, { recursive: true });
    Deno.writeTextFileSync(`${tmp}/${NAME}.other`, "half a mess");
    assert.deepEqual(await store.deliver(REQUEST), { kind: "delivered", repeated: false });
    assert.deepEqual(paths(`${root}/example.org/ann`), [`new/${NAME}`, `tmp/${NAME}.other`]);
  });
});

Deno.test("NodeMaildir.deliver: no name leads out of the store", async () => {
  await withStore(async (store, root) => {
    const names = [
      "..",
      "../../x",
      "/etc/passwd",
      "a\0b",
      ".",
      "",
      "a/b",
      "дима",
      "-rf",
      "x".repeat(250),
    ];
    for (const user of names) {
      for (const domain of ["example.org", user]) {
        assert.equal((await store.deliver({ ...REQUEST, domain, user })).kind, "delivered", user);
      }
    }
    for (const path of paths(root)) assert.equal(path.split("/").length, 4, path);
    assert.equal(paths(root).length, 2 * names.length);
    assert.deepEqual([...Deno.readDirSync(`${root}/..`)].map((entry) => entry.name), ["mail"]);
  });
});

Deno.test("NodeMaildir.deliver: a name no file system holds fails for good", async () => {
  await withStore(async (store) => {
    assert.deepEqual(await store.deliver({ ...REQUEST, user: "x".repeat(256) }), {
      kind: "failed",
      enhancedStatus: "5.1.3",
      reason: "mailbox name too long",
    });
  });
});

Deno.test("NodeMaildir.deliver: trouble with the store defers and leaves nothing in tmp", async () => {
  await withStore(async (store, root) => {
    const mailbox = `${root}/example.org/ann`;
    await store.deliver({ ...REQUEST, id: deliveryId(QUEUE_ID, 1) });
    Deno.removeSync(`${mailbox}/new`, { recursive: true });
    Deno.writeTextFileSync(`${mailbox}/new`, "a file in the folder's place");
    const outcome = await store.deliver({ ...REQUEST, mayBeRepeated: false });
    assert.equal(outcome.kind === "deferred" && outcome.enhancedStatus, "4.2.0");
    assert.deepEqual(paths(mailbox), ["new"]);
  });
});

Deno.test("NodeMaildir.deliver: a folder removed meanwhile is made again", async () => {
  await withStore(async (store, root) => {
    await store.deliver(REQUEST);
    Deno.removeSync(`${root}/example.org`, { recursive: true });
    await store.deliver(REQUEST);
    assert.deepEqual(paths(root), [`example.org/ann/new/${NAME}`]);
  });
});

Deno.test("NodeMaildir.deliver: many at once, to one mailbox and to several, all arrive whole", async () => {
  await withStore(async (store, root) => {
    const large = new Uint8Array(300_000).fill(0x61);
    const outcomes = await Promise.all(Array.from({ length: 60 }, (_, at) =>
      store.deliver({
        ...REQUEST,
        id: deliveryId(QUEUE_ID, at),
        user: at % 3 === 0 ? "ann" : `user${at % 5}`,
        octets: at % 10 === 0 ? large : BODY,
      })));
    assert.ok(outcomes.every((outcome) => outcome.kind === "delivered"));
    const copies = paths(root);
    assert.equal(copies.length, 60);
    for (const copy of copies) {
      assert.match(copy, /\/new\//);
      assert.equal(Deno.statSync(`${root}/${copy}`).size, Number(/S=(\d+)$/.exec(copy)?.[1]));
    }
  });
});

Deno.test("deferredBy: a full disk is 4.3.1, other trouble 4.2.0 (RFC 3463 §3.4)", () => {
  for (const code of ["ENOSPC", "EDQUOT"]) {
    assert.deepEqual(deferredBy(Object.assign(new Error("no"), { code })), {
      kind: "deferred",
      enhancedStatus: "4.3.1",
      reason: "mail store full",
    });
  }
  assert.deepEqual(deferredBy(Object.assign(new Error("no"), { code: "EACCES" })), {
    kind: "deferred",
    enhancedStatus: "4.2.0",
    reason: "mail store: EACCES",
  });
  assert.equal(deferredBy("what?").kind, "deferred");
});

Deno.test("NodeMaildir: a full mailbox is put off or refused, as it is set (RFC 3463 §3.3)", async () => {
  await withStore(async (store) => {
    const within = (quotaOctets: number, whenFull: "defer" | "refuse", copy: number) =>
      store.deliver({
        ...REQUEST,
        id: deliveryId(QUEUE_ID, copy),
        settings: { ...REQUEST.settings, quotaOctets, whenFull },
      });
    assert.equal((await within(200, "defer", 0)).kind, "delivered");
    assert.equal((await within(200, "defer", 1)).kind, "delivered");
    const later = await within(200, "defer", 2);
    assert.ok(later.kind === "deferred" && later.enhancedStatus === "4.2.2");
    const never = await within(200, "refuse", 2);
    assert.ok(never.kind === "failed" && never.enhancedStatus === "5.2.2");
    // What is there already is there.
    assert.deepEqual(await within(200, "refuse", 1), { kind: "delivered", repeated: true });
    assert.equal((await within(300, "refuse", 2)).kind, "delivered");
  });
});

Deno.test("NodeMaildir: of many messages at once no more get into a mailbox than it has room for", async () => {
  await withStore(async (store, root) => {
    const deliver = (copy: number) =>
      store.deliver({
        ...REQUEST,
        id: deliveryId(QUEUE_ID, copy),
        settings: { ...REQUEST.settings, quotaOctets: 5 * 84, whenFull: "refuse" },
      });
    const outcomes = await Promise.all(Array.from({ length: 50 }, (_, copy) => deliver(copy)));
    assert.equal(outcomes.filter(({ kind }) => kind === "delivered").length, 5);
    assert.equal(paths(`${root}/example.org/ann/new`).length, 5);
  });
});

Deno.test("NodeMaildir: a message that cannot be written gives its room back", async () => {
  await withStore(async (store, root) => {
    const deliver = (copy: number) =>
      store.deliver({
        ...REQUEST,
        id: deliveryId(QUEUE_ID, copy),
        settings: { ...REQUEST.settings, quotaOctets: 3 * 84 },
      });
    for (const copy of [0, 1]) assert.equal((await deliver(copy)).kind, "delivered");
    const tmp = `${root}/example.org/ann/tmp`;
    await Deno.remove(tmp);
    await Deno.writeTextFile(tmp, "");
    assert.equal((await deliver(2)).kind, "deferred");
    await Deno.remove(tmp);
    assert.equal((await deliver(2)).kind, "delivered");
    assert.equal((await deliver(3)).kind, "deferred");
  });
});

const JUNK: LocalRequest = { ...REQUEST, folder: "junk" };

Deno.test("NodeMaildir: junk goes into a folder of its own, made as Dovecot likes it", async () => {
  await withStore(async (store, root) => {
    const mailbox = `${root}/example.org/ann`;
    assert.deepEqual(await store.deliver(JUNK), { kind: "delivered", repeated: false });
    const made = [".Junk/maildirfolder", `.Junk/new/${NAME}`, "subscriptions"];
    assert.deepEqual(paths(mailbox), made);
    assert.ok(
      ["cur", "new", "tmp"].every((part) => Deno.statSync(`${mailbox}/${part}`).isDirectory),
    );
    assert.equal(Deno.readTextFileSync(`${mailbox}/subscriptions`), "V\t2\n\nJunk\n");
    assert.equal((Deno.statSync(`${mailbox}/.Junk/cur`).mode ?? 0) & 0o777, 0o700);
    // The user took it from the list, and has another folder.
    Deno.writeTextFileSync(`${mailbox}/subscriptions`, "V\t2\n\nWork\n");
    await store.deliver({ ...JUNK, id: deliveryId(QUEUE_ID, 1) });
    assert.equal(Deno.readTextFileSync(`${mailbox}/subscriptions`), "V\t2\n\nWork\n");
    for (let times = 0; times < 2; times++) {
      Deno.removeSync(`${mailbox}/.Junk`, { recursive: true });
      await store.deliver(JUNK);
      const subscriptions = Deno.readTextFileSync(`${mailbox}/subscriptions`);
      assert.equal(subscriptions, "V\t2\n\nWork\nJunk\n");
    }
  });
});

Deno.test("NodeMaildir: a copy is found in either folder when an attempt is repeated", async () => {
  await withStore(async (store, root) => {
    const mailbox = `${root}/example.org/ann`;
    await store.deliver(JUNK);
    Deno.renameSync(`${mailbox}/.Junk/new/${NAME}`, `${mailbox}/.Junk/cur/${NAME}:2,S`);
    for (const request of [JUNK, REQUEST]) {
      assert.deepEqual(await store.deliver(request), { kind: "delivered", repeated: true });
    }
    Deno.renameSync(`${mailbox}/.Junk/cur/${NAME}:2,S`, `${mailbox}/cur/${NAME}:2,S`);
    assert.deepEqual(await store.deliver(JUNK), { kind: "delivered", repeated: true });
  });
});

Deno.test("NodeMaildir: junk counts for the quota, and many at once make one folder", async () => {
  await withStore(async (store, root) => {
    const deliver = (copy: number) =>
      store.deliver({
        ...REQUEST,
        folder: copy % 2 === 0 ? "junk" : "inbox",
        id: deliveryId(QUEUE_ID, copy),
        settings: { ...REQUEST.settings, quotaOctets: 6 * 84, whenFull: "refuse" },
      });
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, copy) => deliver(copy)));
    assert.equal(outcomes.filter(({ kind }) => kind === "delivered").length, 6);
    const found = paths(`${root}/example.org/ann`).filter((path) =>
      path.includes(NAME.slice(0, 10))
    );
    assert.equal(found.length, 6);
  });
});

Deno.test("NodeMaildir: without a folder for junk it goes to the inbox", async () => {
  await withStore(async (_, root) => {
    const store = new NodeMaildir({ root, nonce: counter(), now: Date.now, junkFolder: "" });
    await store.deliver(JUNK);
    assert.deepEqual(paths(root), [`example.org/ann/new/${NAME}`]);
    assert.equal((await store.deliver(JUNK)).kind, "delivered");
  });
});
