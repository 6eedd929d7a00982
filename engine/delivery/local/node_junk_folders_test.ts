import assert from "node:assert/strict";
import type { JunkMailbox } from "../../spam/junk_watch.ts";
import { NodeJunkFolders } from "./node_junk_folders.ts";

const FINGERPRINT = "0123456789abcdef0123456789abcdef";
const NEVER = new AbortController().signal;

interface Fixture {
  readonly root: string;
  nowMs: number;
  readonly errors: unknown[];
  /** The mailboxes that changed since. */
  changed(): Promise<JunkMailbox[]>;
  /** Another process that knows of nothing. */
  restart(): void;
  /** @param path of a message, whose folder is made. */
  put(path: string, text: string): void;
  /** Takes a message away, later than all before it by the coarse clock of the file system too. */
  remove(path: string): void;
}

async function withFolders(run: (fixture: Fixture) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "sluice-junk-" });
  let made = 0;
  const open = () =>
    new NodeJunkFolders({
      root,
      junkFolder: "Junk",
      now: () => fixture.nowMs,
      nonce: () => `n${made++}`,
      maxOctets: 1_000,
      onError: (error) => fixture.errors.push(error),
    });
  let folders = open();
  const fixture: Fixture = {
    root,
    nowMs: Date.now() + 60_000,
    errors: [],
    changed: async () => {
      const found: JunkMailbox[] = [];
      for await (const mailbox of folders.changed(NEVER)) found.push(mailbox);
      return found;
    },
    restart: () => folders = open(),
    put: (path, text) => {
      const folder = /^(.*)\/(?:new|cur)\/[^/]*$/.exec(path)![1];
      for (const part of ["new", "cur", "tmp"]) {
        Deno.mkdirSync(`${root}/${folder}/${part}`, { recursive: true });
      }
      Deno.writeTextFileSync(`${root}/${path}`, text);
    },
    remove: (path) => {
      Deno.removeSync(`${root}/${path}`);
      const folder = `${root}/${path.slice(0, path.lastIndexOf("/"))}`;
      const later = new Date(Date.now() + 1_000);
      Deno.utimeSync(folder, later, later);
    },
  };
  try {
    await run(fixture);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

function known(name: string, sizeOctets: number) {
  return { name, fingerprint: FINGERPRINT, sizeOctets };
}

async function textsElsewhere(mailbox: JunkMailbox, gone: Parameters<JunkMailbox["elsewhere"]>[0]) {
  const texts: string[] = [];
  for await (const { octets } of mailbox.elsewhere(gone)) {
    texts.push(new TextDecoder().decode(octets));
  }
  return texts.sort();
}

Deno.test("NodeJunkFolders: tells of a folder until all in it was seen, and again when it changes", async () => {
  await withFolders(async (fixture) => {
    fixture.put("example.org/ann/.Junk/cur/1.a,S=4:2,S", "spam");
    fixture.put("example.org/ann/.Junk/new/2.b", "spam!");
    fixture.put("example.org/bob/cur/3.c", "ham");
    const [ann, ...others] = await fixture.changed();
    assert.deepEqual([ann.domain, ann.names.toSorted(), ann.known, others], [
      "example.org",
      ["1.a,S=4", "2.b"],
      [],
      [],
    ]);
    const message = await ann.read("2.b");
    assert.deepEqual([message?.sizeOctets, message?.wasFiled], [5, false]);
    assert.equal(await ann.read("9.z"), null);
    await ann.remember({ known: [known("1.a,S=4", 4)], movedOut: ["0.out"], isAll: false });
    const [again] = await fixture.changed();
    assert.deepEqual(again.known, [known("1.a,S=4", 4)]);
    await again.remember({
      known: [known("1.a,S=4", 4), known("2.b", 5)],
      movedOut: ["0.out"],
      isAll: true,
    });
    assert.deepEqual(await fixture.changed(), []);
    fixture.remove("example.org/ann/.Junk/new/2.b");
    assert.deepEqual((await fixture.changed()).map(({ names }) => names), [["1.a,S=4"]]);
  });
});

Deno.test("NodeJunkFolders: what was seen outlives the process", async () => {
  await withFolders(async (fixture) => {
    fixture.put("example.org/ann/.Junk/cur/1.a", "spam");
    const [ann] = await fixture.changed();
    await ann.remember({ known: [known("1.a", 4)], movedOut: ["0.out"], isAll: true });
    fixture.restart();
    const [again] = await fixture.changed();
    assert.deepEqual(again.known, [known("1.a", 4)]);
    assert.equal(
      Deno.statSync(`${fixture.root}/example.org/ann/.Junk/sluice-junk`).mode! & 0o777,
      0o600,
    );
    Deno.writeTextFileSync(`${fixture.root}/example.org/ann/.Junk/sluice-junk`, "{");
    fixture.restart();
    assert.deepEqual((await fixture.changed())[0].known, []);
  });
});

Deno.test("NodeJunkFolders: a change in the moment of looking is not missed", async () => {
  await withFolders(async (fixture) => {
    fixture.put("example.org/ann/.Junk/cur/1.a", "spam");
    fixture.nowMs = Date.now();
    const [ann] = await fixture.changed();
    await ann.remember({ known: [known("1.a", 4)], movedOut: ["0.out"], isAll: true });
    assert.equal((await fixture.changed()).length, 1);
  });
});

Deno.test("NodeJunkFolders: a copy that we tagged and nobody moved was filed", async () => {
  await withFolders(async (fixture) => {
    const tagged = "Received: x\r\nX-Spam-Flag: YES\r\n\r\n";
    fixture.put("example.org/ann/.Junk/new/1.01J0000000000_0.sluice,S=34", tagged);
    fixture.put("example.org/ann/.Junk/new/1.01J0000000000_1.sluice,S=2", "\r\n");
    fixture.put("example.org/ann/.Junk/cur/2.M1P1.host,S=34,W=34:2,S", tagged);
    const [ann] = await fixture.changed();
    const filed = [];
    for (const name of ann.names.toSorted()) filed.push((await ann.read(name))?.wasFiled);
    assert.deepEqual(filed, [true, false, false]);
  });
});

Deno.test("NodeJunkFolders: what may have been moved out lies in another folder, under a name of then", async () => {
  await withFolders(async (fixture) => {
    fixture.put("example.org/ann/.Junk/cur/1.kept,S=9:2,", "kept name");
    const [first] = await fixture.changed();
    await first.remember({
      known: [known("1.kept,S=9", 9), known("1.old,S=5", 5)],
      movedOut: ["0.out"],
      isAll: true,
    });
    const later = Math.floor(fixture.nowMs / 1000) + 10;
    fixture.remove("example.org/ann/.Junk/cur/1.kept,S=9:2,");
    const ann = "example.org/ann";
    fixture.put(`${ann}/cur/1.kept,S=9:2,S`, "kept name");
    fixture.put(`${ann}/.Work.Deep/cur/${later}.M1P1.h,S=5,W=6:2,S`, "moved");
    fixture.put(`${ann}/.Work.Deep/cur/${later}.M1P2.h,S=6`, "other size");
    fixture.put(`${ann}/.Work.Deep/cur/5.M1P3.h,S=5`, "there before");
    fixture.put(`${ann}/.Trash/cur/${later}.M1P4.h,S=5`, "trash");
    fixture.put(`${ann}/.Junk.Sure/cur/${later}.M1P5.h,S=5`, "still junk");
    const future = new Date(fixture.nowMs + 20_000);
    for (const folder of ["cur", ".Work.Deep/cur", ".Trash/cur", ".Junk.Sure/cur"]) {
      Deno.utimeSync(`${fixture.root}/${ann}/${folder}`, future, future);
    }
    fixture.nowMs += 60_000;
    const [mailbox] = await fixture.changed();
    assert.deepEqual(await textsElsewhere(mailbox, mailbox.known), ["kept name", "moved"]);
    // A folder that did not change since is not read.
    const past = new Date(fixture.nowMs - 3_600_000);
    Deno.utimeSync(`${fixture.root}/${ann}/.Work.Deep/cur`, past, past);
    Deno.utimeSync(`${fixture.root}/${ann}/.Work.Deep/new`, past, past);
    assert.deepEqual(await textsElsewhere(mailbox, mailbox.known), ["kept name"]);
  });
});

Deno.test("NodeJunkFolders: who stops early begins with the next mailbox", async () => {
  await withFolders(async (fixture) => {
    for (const user of ["a", "b", "c"]) {
      fixture.put(`example.org/${user}/.Junk/cur/1.${user}`, user);
    }
    fixture.put("not%2fours/x/.Junk/cur/1.x", "x");
    const folders = new NodeJunkFolders({
      root: fixture.root,
      junkFolder: "Junk",
      now: Date.now,
      nonce: () => "n",
      maxOctets: 10,
      onError: (error) => fixture.errors.push(error),
    });
    const seen: string[] = [];
    for (let run = 0; run < 4; run++) {
      for await (const { names } of folders.changed(NEVER)) {
        seen.push(...names);
        break;
      }
    }
    assert.deepEqual(seen, ["1.a", "1.b", "1.c", "1.a"]);
  });
});

Deno.test("NodeJunkFolders: no store yet, a folder that is removed meanwhile, a file in a folder's place", async () => {
  await withFolders(async (fixture) => {
    fixture.put("example.org/ann/.Junk/cur/1.a", "spam");
    const [ann] = await fixture.changed();
    Deno.removeSync(`${fixture.root}/example.org`, { recursive: true });
    await ann.remember({ known: [], movedOut: ["0.out"], isAll: true });
    assert.deepEqual(await textsElsewhere(ann, [known("1.a", 4)]), []);
    Deno.removeSync(fixture.root);
    assert.deepEqual(await fixture.changed(), []);
    Deno.mkdirSync(`${fixture.root}/example.org`, { recursive: true });
    Deno.writeTextFileSync(`${fixture.root}/example.org/ann`, "");
    assert.deepEqual([await fixture.changed(), fixture.errors], [[], []]);
    Deno.mkdirSync(`${fixture.root}/example.org/bob`);
    Deno.writeTextFileSync(`${fixture.root}/example.org/bob/.Junk`, "");
    fixture.put("example.org/eve/.Junk/cur/1.a", "spam");
    assert.equal((await fixture.changed()).length, 1);
    assert.equal(fixture.errors.length, 1);
  });
});
