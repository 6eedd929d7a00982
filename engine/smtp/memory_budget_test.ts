import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryBudget, MemoryShare } from "./memory_budget.ts";

Deno.test("MemoryBudget: grants up to its limit, and again what was given back", () => {
  const budget = new MemoryBudget(100);
  assert.equal(budget.reserve(60), true);
  assert.equal(budget.reserve(41), false);
  assert.equal(budget.usedOctets, 60);
  assert.equal(budget.reserve(40), true);
  assert.equal(budget.reserve(1), false);
  budget.release(60);
  assert.equal(budget.reserve(60), true);
});

Deno.test("MemoryBudget.isFull: true above nine tenths, so that what began can still end", () => {
  const budget = new MemoryBudget(100);
  budget.reserve(90);
  assert.equal(budget.isFull, false);
  assert.equal(budget.reserve(1), true);
  assert.equal(budget.isFull, true);
  assert.equal(budget.reserve(9), true);
  budget.release(10);
  assert.equal(budget.isFull, false);
});

Deno.test("MemoryBudget: what is held is what was granted, and never above the limit", () => {
  const step = fc.record({ octets: fc.nat(400), releases: fc.boolean() });
  fc.assert(fc.property(fc.array(step), (steps) => {
    const budget = new MemoryBudget(1000);
    const held: number[] = [];
    for (const { octets, releases } of steps) {
      if (releases) budget.release(held.pop() ?? 0);
      else if (budget.reserve(octets)) held.push(octets);
      assert.equal(budget.usedOctets, held.reduce((a, b) => a + b, 0));
      assert.ok(budget.usedOctets <= 1000);
    }
  }));
});

Deno.test("MemoryShare: gives back what is left of all it was granted", () => {
  const budget = new MemoryBudget(1000);
  const [ours, others] = [new MemoryShare(budget), new MemoryShare(budget)];
  assert.equal(ours.reserve(600), true);
  assert.equal(others.reserve(300), true);
  assert.equal(ours.reserve(200), false);
  ours.release(100);
  assert.equal(ours.reserve(200), true);
  assert.equal(budget.usedOctets, 1000);
  ours.releaseAll();
  ours.releaseAll();
  assert.equal(budget.usedOctets, 300);
});

Deno.test("MemoryShare: recipients leave their message room, whatever others hold", () => {
  const budget = new MemoryBudget(1000);
  const [ours, others] = [new MemoryShare(budget), new MemoryShare(budget)];
  assert.equal(ours.reserveForRecipients(250), true);
  assert.equal(ours.reserveForRecipients(1), false);
  assert.equal(others.reserveForRecipients(250), true);
  assert.equal(ours.reserve(500), true);
});

Deno.test("MemoryShare.couldReserve: tells what is too much now from what always will be", () => {
  const budget = new MemoryBudget(1000);
  const [ours, others] = [new MemoryShare(budget), new MemoryShare(budget)];
  others.reserve(500);
  ours.reserve(400);
  assert.equal(ours.reserve(600), false);
  assert.equal(ours.couldReserve(600), true);
  assert.equal(ours.couldReserve(601), false);
});

Deno.test("MemoryShare.close: what comes late is granted nothing", () => {
  const budget = new MemoryBudget(1000);
  const share = new MemoryShare(budget);
  share.reserve(400);
  share.close();
  assert.equal(share.reserveForRecipients(1), false);
  assert.equal(share.reserve(1), false);
  assert.equal(budget.usedOctets, 0);
});
