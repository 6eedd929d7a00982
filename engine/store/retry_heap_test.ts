import assert from "node:assert/strict";
import fc from "fast-check";
import { RetryHeap } from "./retry_heap.ts";

const action = fc.oneof(
  fc.record({ set: fc.integer({ min: 0, max: 9 }).map(String), atMs: fc.integer({ max: 20 }) }),
  fc.record({ takeAtMs: fc.integer({ max: 20 }) }),
);

Deno.test("RetryHeap: takes what a sorted map would", () => {
  fc.assert(fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
    const heap = new RetryHeap();
    const model = new Map<string, number>();
    for (const step of actions) {
      if ("set" in step) {
        heap.set(step.set, step.atMs);
        model.set(step.set, step.atMs);
      } else {
        const [first] = [...model].sort((x, y) => x[1] - y[1] || (x[0] < y[0] ? -1 : 1));
        const due = first !== undefined && first[1] <= step.takeAtMs ? first[0] : null;
        if (due !== null) model.delete(due);
        assert.equal(heap.takeDue(step.takeAtMs), due);
      }
      assert.equal(heap.size, model.size);
    }
  }));
});

Deno.test("RetryHeap: setting members over and over keeps their order through rebuilds", () => {
  const heap = new RetryHeap();
  const members = Array.from({ length: 500 }, (_, i) => String(i).padStart(3, "0"));
  for (let round = 0; round < 20; round++) {
    members.forEach((member, i) => heap.set(member, round * 1_000 + (i * 7) % 500));
  }
  assert.equal(heap.size, 500);
  assert.equal(heap.takeDue(18_999), null);
  const taken = members.map(() => heap.takeDue(19_499)!);
  const dueAtMs = taken.map((member) => (Number(member) * 7) % 500);
  assert.deepEqual(dueAtMs, dueAtMs.toSorted((x, y) => x - y));
  assert.equal(new Set(taken).size, 500);
  assert.equal(heap.takeDue(Infinity), null);
});
