import assert from "node:assert/strict";
import { testGreylist } from "./greylist_conformance.ts";
import { memoryGreylist } from "./memory_greylist.ts";

testGreylist({
  name: "memoryGreylist",
  openStore(now) {
    const greylist = memoryGreylist({ now });
    return Promise.resolve({ open: () => greylist, async [Symbol.asyncDispose]() {} });
  },
});

const TIMES = { isVouchedFor: false, delayMs: 1_000, windowMs: 1_000_000, trustMs: 1_000_000 };
const query = (sender: string, triplet: string) => ({
  ...{ senders: [{ key: sender, passes: 1 }], triplets: [triplet] },
  ...TIMES,
});

Deno.test("memoryGreylist: strangers without end push out one another and nobody who is trusted", async () => {
  let nowMs = 0;
  const greylist = memoryGreylist({ now: () => nowMs, maxKeys: 100 });
  await greylist.ask(query("ann", "of ann"));
  nowMs = 1_000;
  assert.deepEqual(await greylist.ask(query("ann", "of ann")), { kind: "passed" });
  for (let i = 0; i < 10_000; i++) await greylist.ask(query(`s${i}`, `t${i}`));
  for (const known of [query("ann", "new"), query("else", "of ann")]) {
    assert.deepEqual(await greylist.ask(known), { kind: "trusted" });
  }
  const isNew = async (i: number) => {
    const answer = await greylist.ask(query(`s${i}`, `t${i}`));
    return answer.kind === "waiting" && answer.isNew;
  };
  assert.deepEqual([await isNew(9_900), await isNew(9_999), await isNew(9_899)], [
    ...[false, false, true],
  ]);
});

Deno.test("memoryGreylist: of the trusted those go first who were not seen for longest", async () => {
  let nowMs = 0;
  const greylist = memoryGreylist({ now: () => nowMs, maxKeys: 2 });
  const pass = async (name: string) => {
    await greylist.ask(query(name, `of ${name}`));
    nowMs += 1_000;
    await greylist.ask(query(name, `of ${name}`));
  };
  await pass("ann");
  await pass("bob");
  for (const name of ["bob", "ann"]) {
    assert.deepEqual(await greylist.ask(query(name, `of ${name}`)), { kind: "trusted" });
    assert.deepEqual(await greylist.ask(query(name, `of ${name}`)), { kind: "trusted" });
  }
  await pass("cid");
  const isTrusted = async (name: string) =>
    (await greylist.ask(query(name, `new of ${name}`))).kind === "trusted";
  assert.deepEqual(await Promise.all(["ann", "bob", "cid"].map(isTrusted)), [true, false, true]);
});
