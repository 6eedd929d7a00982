/** What every memory of good and bad mail promises; run on each implementation. */
import assert from "node:assert/strict";
import type { Lesson, SpamMemory } from "./spam_memory.ts";

const DAY_MS = 86_400_000;

function fingerprint(number: number): string {
  return number.toString(16).padStart(32, "0");
}

function lesson(
  number: number,
  label: "ham" | "spam",
  tokens: readonly number[],
  scopes: readonly string[] = [""],
): Lesson {
  return { fingerprint: fingerprint(number), label, scopes, tokens: Float64Array.from(tokens) };
}

/** `token: ham/spam`, in the order they come. */
async function countsIn(memory: SpamMemory, scope: string, limit = 100): Promise<string[]> {
  const rows: string[] = [];
  for (let after = 0;;) {
    const { tokens, ham, spam } = await memory.page(scope, { after, minMessages: 1, limit });
    if (tokens.length === 0) return rows;
    tokens.forEach((token, row) => rows.push(`${token}: ${ham[row]}/${spam[row]}`));
    after = tokens[tokens.length - 1];
  }
}

async function messagesIn(memory: SpamMemory, scope: string) {
  return (await memory.scopes()).find((learned) => learned.scope === scope)?.messages;
}

/** @param views of one empty memory, as two nodes have it; `setNow` sets the clock of both. */
export async function spamMemoryConformance(
  test: Deno.TestContext,
  { here, elsewhere, setNow }: {
    here: SpamMemory;
    elsewhere: SpamMemory;
    setNow: (nowMs: number) => void;
  },
): Promise<void> {
  const LARGEST = 2 ** 52 - 1;

  await test.step("learn: each message once in each scope, in all 52 bits", async () => {
    const outcomes = await here.learn([
      lesson(1, "spam", [7, 2 ** 32 + 1, LARGEST]),
      lesson(2, "ham", [7, 9]),
      lesson(1, "spam", [7, 2 ** 32 + 1, LARGEST]),
    ]);
    assert.deepEqual(outcomes, ["learned", "learned", "known"]);
    assert.deepEqual(await elsewhere.learn([lesson(2, "ham", [7, 9])]), ["known"]);
    const counts = ["7: 1/1", "9: 1/0", `${2 ** 32 + 1}: 0/1`, `${LARGEST}: 0/1`];
    assert.deepEqual(await countsIn(elsewhere, ""), counts);
    assert.deepEqual(await countsIn(elsewhere, "", 1), counts);
    assert.deepEqual(await messagesIn(elsewhere, ""), { ham: 1, spam: 1 });
  });

  await test.step("learn: told the other label, a message counts for that one", async () => {
    assert.deepEqual(await elsewhere.learn([lesson(2, "spam", [7, 9])]), ["moved"]);
    assert.deepEqual(await messagesIn(here, ""), { ham: 0, spam: 2 });
    const both = [lesson(2, "ham", [7, 9]), lesson(2, "spam", [7, 9])];
    assert.deepEqual(await here.learn(both), ["moved", "moved"]);
    assert.deepEqual((await countsIn(here, "")).slice(0, 2), ["7: 0/2", "9: 0/1"]);
  });

  await test.step("learn: scopes count apart, and each change has a version", async () => {
    const version = async (scope: string) =>
      (await elsewhere.scopes()).find((learned) => learned.scope === scope)?.version;
    const before = await version("");
    await here.learn([lesson(3, "ham", [7], ["b.example"]), lesson(4, "ham", [7], ["a.example"])]);
    assert.equal(await version(""), before);
    const ofA = await version("a.example");
    await here.learn([lesson(4, "ham", [7], ["", "a.example"])]);
    assert.notEqual(await version(""), before);
    assert.equal(await version("a.example"), ofA);
    assert.deepEqual((await here.scopes()).map(({ scope }) => scope), [
      "",
      "a.example",
      "b.example",
    ]);
    assert.deepEqual(await countsIn(here, "a.example"), ["7: 1/0"]);
    assert.equal(await here.tokenCount("b.example"), 1);
    assert.equal(await here.tokenCount("nowhere.example"), 0);
    assert.deepEqual(await countsIn(here, "nowhere.example"), []);
  });

  await test.step("countsOf: those the scope knows", async () => {
    const { tokens, ham, spam } = await here.countsOf("", Float64Array.of(LARGEST, 8, 7));
    assert.deepEqual([[...tokens], [...ham], [...spam]], [[7, LARGEST], [1, 0], [2, 1]]);
    assert.equal((await here.countsOf("nowhere.example", Float64Array.of(7))).tokens.length, 0);
    assert.equal((await here.countsOf("", new Float64Array())).tokens.length, 0);
  });

  await test.step("page: only tokens of so many messages", async () => {
    const page = await here.page("", { after: 0, minMessages: 2, limit: 10 });
    assert.deepEqual([...page.tokens], [7]);
  });

  await test.step("forget: takes back what was learnt, once", async () => {
    const { label: _, ...told } = lesson(4, "ham", [7], ["", "a.example"]);
    assert.equal(await elsewhere.forget([told, told]), 1);
    assert.equal(await here.forget([told]), 0);
    assert.deepEqual(await messagesIn(here, "a.example"), { ham: 0, spam: 0 });
    assert.equal((await countsIn(here, ""))[0], "7: 0/2");
    assert.deepEqual(await here.learn([lesson(4, "ham", [7], ["a.example"])]), ["learned"]);
  });

  await test.step("clear: everything of one scope", async () => {
    await here.clear("a.example");
    await here.clear("nowhere.example");
    assert.deepEqual(await countsIn(here, "a.example"), []);
    assert.deepEqual(await messagesIn(here, "a.example"), { ham: 0, spam: 0 });
    assert.deepEqual(await countsIn(here, "b.example"), ["7: 1/0"]);
    assert.deepEqual(await here.learn([lesson(4, "ham", [7], ["a.example"])]), ["learned"]);
  });

  await test.step("learn: many at once, from two nodes, in any order of scopes", async () => {
    const lessons = (label: "ham" | "spam", from: number, scopes: readonly string[]) =>
      Array.from(
        { length: 120 },
        (_, index) =>
          lesson(from + index, label, Array.from({ length: 100 }, (_, at) => at + 1), scopes),
      );
    await Promise.all([
      here.learn(lessons("spam", 1_000, ["many.example", "more.example"])),
      elsewhere.learn(lessons("ham", 2_000, ["more.example", "many.example"])),
    ]);
    for (const scope of ["many.example", "more.example"]) {
      assert.deepEqual(await messagesIn(here, scope), { ham: 120, spam: 120 });
      const counts = await countsIn(here, scope, 1_000);
      assert.deepEqual([...new Set(counts.map((row) => row.replace(/.*: /, "")))], ["120/120"]);
    }
    assert.deepEqual(await here.learn([]), []);
  });

  await test.step("tidy: forgets what was not met for long, the rare sooner", async () => {
    const { signal } = new AbortController();
    const ages = { rareTokensMs: 10 * DAY_MS, tokensMs: 100 * DAY_MS, fingerprintsMs: 50 * DAY_MS };
    const scopes = ["tidy.example"];
    setNow(1_000 * DAY_MS);
    await here.learn([
      lesson(91, "ham", [1, 2], scopes),
      lesson(92, "ham", [2], scopes),
      lesson(93, "ham", [3], scopes),
    ]);
    setNow(1_009 * DAY_MS);
    await here.learn([lesson(94, "ham", [3, 4], scopes)]);
    const tidy = async (day: number) => {
      await elsewhere.tidy({ nowMs: day * DAY_MS, ...ages, signal });
      return await countsIn(here, "tidy.example");
    };
    const version = async () =>
      (await here.scopes()).find(({ scope }) => scope === "tidy.example")?.version;
    const [full, before] = [["1: 1/0", "2: 2/0", "3: 2/0", "4: 1/0"], await version()];
    assert.deepEqual(await tidy(1_010), full);
    assert.equal(await version(), before);
    assert.deepEqual(await tidy(1_011), ["2: 2/0", "3: 2/0", "4: 1/0"]);
    assert.notEqual(await version(), before);
    assert.deepEqual(await tidy(1_055), ["2: 2/0", "3: 2/0"]);
    // Its fingerprint is gone, the younger one's is not.
    setNow(1_055 * DAY_MS);
    assert.deepEqual(
      await here.learn([lesson(93, "ham", [3], scopes), lesson(94, "ham", [3, 4], scopes)]),
      ["learned", "known"],
    );
    assert.deepEqual(await tidy(1_101), ["3: 3/0"]);
    assert.deepEqual(await tidy(1_156), []);
  });
}
