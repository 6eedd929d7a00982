import assert from "node:assert/strict";
import type { Lesson, LessonOutcome } from "../store/spam_memory.ts";
import { junkDiff, type KnownJunk } from "./junk_diff.ts";
import { type JunkMailbox, type JunkMessage, JunkWatch, type SeenInJunk } from "./junk_watch.ts";

/** A message is its fingerprint. */
const lessonOf = (octets: Uint8Array) => ({
  fingerprint: new TextDecoder().decode(octets),
  tokens: Float64Array.of(1),
});

function message(text: string, wasFiled = false): JunkMessage {
  return { octets: new TextEncoder().encode(text), sizeOctets: text.length, wasFiled };
}

class FakeMailbox implements JunkMailbox {
  readonly domain = "example.org";
  known: readonly KnownJunk[] = [];
  movedOut: readonly string[] = [];
  readonly junk = new Map<string, JunkMessage>();
  readonly others: JunkMessage[] = [];
  readonly remembered: boolean[] = [];
  reads = 0;

  get names(): readonly string[] {
    return [...this.junk.keys()];
  }

  read(name: string): Promise<JunkMessage | null> {
    this.reads++;
    return Promise.resolve(this.junk.get(name) ?? null);
  }

  async *elsewhere(): AsyncGenerator<JunkMessage> {
    yield* this.others;
    await Promise.resolve();
  }

  remember({ known, movedOut, isAll }: SeenInJunk): Promise<void> {
    this.known = known;
    this.movedOut = movedOut;
    this.remembered.push(isAll);
    return Promise.resolve();
  }
}

function setUp(mailboxes: readonly FakeMailbox[]) {
  const lessons: string[] = [];
  const errors: unknown[] = [];
  const learned: string[] = [];
  const memory = {
    isAway: false,
    learn: (told: readonly Lesson[]): Promise<readonly LessonOutcome[]> => {
      if (memory.isAway) return Promise.reject(new Error("away"));
      return Promise.resolve(told.map(({ fingerprint, label, scopes }) => {
        lessons.push(`${label} ${fingerprint} ${scopes.join("|")}`);
        return fingerprint === "old" ? "known" : "learned";
      }));
    },
  };
  const watch = new JunkWatch({
    folders: {
      changed: async function* () {
        yield* mailboxes;
        await Promise.resolve();
      },
    },
    memory,
    lessonOf,
    onLearned: ({ label, domain }) => learned.push(`${label} ${domain}`),
    onError: (error) => errors.push(error),
    pollMs: 1,
  });
  return { watch, lessons, errors, learned, memory };
}

Deno.test("junkDiff: what came, what went and what stayed", () => {
  const [a, b] = ["a", "b"].map((name) => ({ name, fingerprint: name, sizeOctets: 1 }));
  assert.deepEqual(junkDiff([a, b], ["b", "c"]), { arrived: ["c"], gone: [a], stayed: [b] });
  assert.deepEqual(junkDiff([], []), { arrived: [], gone: [], stayed: [] });
});

Deno.test("JunkWatch: what is moved in is spam, what is moved out again is ham, what is deleted is neither", async () => {
  const mailbox = new FakeMailbox();
  const { watch, lessons, learned } = setUp([mailbox]);
  await using _ = watch;
  for (const name of ["one", "two", "old"]) mailbox.junk.set(name, message(name));
  await watch.run();
  const spam = ["spam one |example.org", "spam two |example.org", "spam old |example.org"];
  assert.deepEqual(lessons.splice(0), spam);
  assert.deepEqual(learned, ["spam example.org", "spam example.org"]);
  mailbox.junk.delete("one");
  mailbox.junk.delete("two");
  mailbox.others.push(message("another"), message("two"));
  await watch.run();
  assert.deepEqual(lessons, ["ham two |example.org"]);
  await watch.run();
  assert.equal(lessons.length, 1);
  assert.deepEqual(mailbox.known.map(({ name }) => name), ["old"]);
});

Deno.test("JunkWatch: what was filed there teaches nothing, until somebody moves it out", async () => {
  const mailbox = new FakeMailbox();
  const { watch, lessons } = setUp([mailbox]);
  await using _ = watch;
  mailbox.junk.set("filed", message("filed", true));
  await watch.run();
  assert.deepEqual([lessons, mailbox.known.length], [[], 1]);
  mailbox.junk.clear();
  mailbox.others.push(message("filed"));
  await watch.run();
  assert.deepEqual(lessons.splice(0), ["ham filed |example.org"]);
  // And back in, where it looks as it did.
  mailbox.junk.set("filed", message("filed", true));
  await watch.run();
  assert.deepEqual(lessons, ["spam filed |example.org"]);
  assert.deepEqual(mailbox.movedOut, []);
});

Deno.test("JunkWatch: what could not be learnt is learnt next time, and other mailboxes go on", async () => {
  const [first, second] = [new FakeMailbox(), new FakeMailbox()];
  const { watch, lessons, errors, memory } = setUp([first, second]);
  await using _ = watch;
  first.junk.set("one", message("one"));
  second.junk.set("filed", message("filed", true));
  const learn = memory.learn;
  memory.learn = (told) => told.length > 0 ? Promise.reject(new Error("away")) : learn(told);
  await watch.run();
  assert.equal(errors.length, 1);
  assert.deepEqual([first.remembered, second.remembered], [[], [true]]);
  memory.learn = learn;
  await watch.run();
  assert.deepEqual(lessons, ["spam one |example.org"]);
});

Deno.test("JunkWatch: a large folder is learnt in several runs", async () => {
  const mailbox = new FakeMailbox();
  const { watch, lessons } = setUp([mailbox]);
  await using _ = watch;
  for (let n = 0; n < 1_200; n++) mailbox.junk.set(`${n}`, message(`${n}`));
  const counts = [];
  for (let run = 0; run < 4; run++) {
    await watch.run();
    counts.push(lessons.length);
  }
  assert.deepEqual(counts, [500, 1_000, 1_200, 1_200]);
  assert.deepEqual(mailbox.remembered, [false, false, true, true]);
  assert.equal(mailbox.reads, 1_200);
});

Deno.test("JunkWatch: looks by itself until it is disposed of", async () => {
  const mailbox = new FakeMailbox();
  const { watch, lessons } = setUp([mailbox]);
  mailbox.junk.set("one", message("one"));
  watch.start();
  while (lessons.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  await watch[Symbol.asyncDispose]();
});
