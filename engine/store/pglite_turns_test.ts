import assert from "node:assert/strict";
import { Turns } from "./pglite_turns.ts";

Deno.test("Turns: served in order of arrival, and kept until given back", async () => {
  const turns = new Turns<string>();
  const order: string[] = [];
  assert.equal(turns.take("a"), undefined);
  assert.equal(turns.take("a"), undefined);
  const waiting = ["b", "c"].map(async (owner) => {
    await turns.take(owner);
    order.push(owner);
    turns.giveBack(owner);
  });
  turns.giveBack("c");
  assert.equal(turns.holds("a"), true);
  assert.equal(turns.waiting, 2);
  turns.giveBack("a");
  await Promise.all(waiting);
  assert.deepEqual(order, ["b", "c"]);
  assert.equal(turns.holds("c"), false);
  assert.equal(turns.take("d"), undefined);
});
