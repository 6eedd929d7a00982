import assert from "node:assert/strict";
import { WebhookGate, type WebhookLoad } from "./webhook_gate.ts";

const MIB = 1024 * 1024;

function load(domain: string, octets = 1, beginBeforeMs = Infinity): WebhookLoad {
  return { domain, octets, beginBeforeMs };
}

/** Sends loads into a gate and tells which of them it answered. */
function entering(gate: WebhookGate) {
  const answers = new Map<WebhookLoad, boolean>();
  const enter = (each: WebhookLoad) => {
    gate.enter(each).then((mayBegin) => answers.set(each, mayBegin));
    return each;
  };
  const answered = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    return [...answers.values()];
  };
  return { enter, answered };
}

Deno.test("WebhookGate: a few at once, and half of those for one domain", async () => {
  const gate = new WebhookGate();
  const { enter, answered } = entering(gate);
  const [first] = Array.from({ length: 6 }, () => enter(load("a.test")));
  assert.equal((await answered()).length, 4);
  for (let i = 0; i < 6; i++) enter(load("b.test"));
  assert.equal((await answered()).length, 8);
  gate.leave(first);
  assert.equal((await answered()).length, 9);
});

Deno.test("WebhookGate: large messages go one after the other, and nobody overtakes them", async () => {
  const gate = new WebhookGate();
  const { enter, answered } = entering(gate);
  const first = enter(load("a.test", 20 * MIB));
  const second = enter(load("a.test", 20 * MIB));
  enter(load("a.test"));
  enter(load("b.test", 20 * MIB));
  assert.equal((await answered()).length, 2);
  enter(load("c.test", MIB));
  assert.equal((await answered()).length, 2);
  gate.leave(first);
  assert.equal((await answered()).length, 3);
  gate.leave(second);
  assert.equal((await answered()).length, 5);
});

Deno.test("WebhookGate: who waits too long is given back, and so is all when it withdraws", async () => {
  const gate = new WebhookGate();
  const { enter, answered } = entering(gate);
  for (let i = 0; i < 5; i++) enter(load("a.test", 1, 100));
  enter(load("a.test", 1, 200));
  gate.tick(99);
  assert.deepEqual(await answered(), [true, true, true, true]);
  gate.tick(100);
  assert.deepEqual((await answered()).slice(4), [false]);
  gate.withdraw();
  enter(load("b.test"));
  assert.deepEqual((await answered()).slice(4), [false, false, false]);
});
