import assert from "node:assert/strict";
import fc from "fast-check";
import { markKey, planLearning, type Told } from "./learning_plan.ts";
import type { MailLabel } from "./spam_memory.ts";

function told(
  fingerprint: string,
  label: MailLabel | null,
  scopes: string[],
  tokens: number[],
): Told {
  return { fingerprint, label, scopes, tokens: Float64Array.from(tokens) };
}

Deno.test("planLearning: what goes up, what goes down, in the order of scopes and tokens", () => {
  const known = new Map<string, MailLabel>([[markKey({ scope: "", fingerprint: "b" }), "ham"]]);
  const plan = planLearning([
    told("a", "spam", ["x.test", ""], [9, 1]),
    told("b", "spam", [""], [9, 2]),
  ], known);
  assert.deepEqual(plan.outcomes, ["learned", "moved"]);
  assert.deepEqual(plan.added, [
    { scope: "", token: 1, ham: 0, spam: 1 },
    { scope: "", token: 2, ham: 0, spam: 1 },
    { scope: "", token: 9, ham: 0, spam: 2 },
    { scope: "x.test", token: 1, ham: 0, spam: 1 },
    { scope: "x.test", token: 9, ham: 0, spam: 1 },
  ]);
  assert.deepEqual(plan.taken, [
    { scope: "", token: 2, ham: 1, spam: 0 },
    { scope: "", token: 9, ham: 1, spam: 0 },
  ]);
  assert.deepEqual([...plan.messages], [["", { ham: -1, spam: 2 }], ["x.test", {
    ham: 0,
    spam: 1,
  }]]);
});

Deno.test("planLearning: known in one scope and new in another is new", () => {
  const known = new Map<string, MailLabel>([[markKey({ scope: "", fingerprint: "a" }), "spam"]]);
  const plan = planLearning([told("a", "spam", ["", "x.test"], [1])], known);
  assert.deepEqual(plan.outcomes, ["learned"]);
  assert.deepEqual(plan.marks, [{ scope: "x.test", fingerprint: "a", label: "spam" }]);
});

Deno.test("planLearning: in one batch or in many, the sums are the same", () => {
  const lesson = fc.record({
    fingerprint: fc.constantFrom("a", "b", "c"),
    label: fc.constantFrom("ham" as const, "spam" as const, null),
    scopes: fc.subarray(["", "x.test"], { minLength: 1 }),
  }).map(({ fingerprint, label, scopes }) =>
    // A message has its tokens, whenever it is told of.
    told(fingerprint, label, scopes, fingerprint === "a" ? [1, 2] : fingerprint === "b" ? [2] : [])
  );
  fc.assert(fc.property(fc.array(lesson, { maxLength: 12 }), (lessons) => {
    const sums = (batches: readonly (readonly Told[])[]) => {
      const known = new Map<string, MailLabel>();
      const counts = new Map<string, number>();
      const add = (key: string, count: number) => counts.set(key, (counts.get(key) ?? 0) + count);
      for (const batch of batches) {
        const plan = planLearning(batch, known);
        for (const mark of plan.marks) {
          if (mark.label === null) known.delete(markKey(mark));
          else known.set(markKey(mark), mark.label);
        }
        for (const [changes, sign] of [[plan.added, 1], [plan.taken, -1]] as const) {
          for (const { scope, token, ham, spam } of changes) {
            add(`${scope} ${token} ham`, sign * ham);
            add(`${scope} ${token} spam`, sign * spam);
          }
        }
        for (const [scope, { ham, spam }] of plan.messages) {
          add(`${scope} ham`, ham);
          add(`${scope} spam`, spam);
        }
      }
      return [...counts].filter(([, count]) => count !== 0).sort();
    };
    assert.deepEqual(sums([lessons]), sums(lessons.map((lesson) => [lesson])));
  }));
});
