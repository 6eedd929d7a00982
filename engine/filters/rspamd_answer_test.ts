import assert from "node:assert/strict";
import fc from "fast-check";
import { readRspamdAnswer } from "./rspamd_answer.ts";

function read(answer: unknown, weight = 1) {
  return readRspamdAnswer(JSON.stringify(answer), { weight });
}

Deno.test("readRspamdAnswer: refuses only where rspamd means the message itself", () => {
  const actions: Record<string, string> = {
    "reject": "554",
    "soft reject": "451",
    "greylist": "passed",
    "add header": "passed",
    "rewrite subject": "passed",
    "no action": "passed",
    "an operator's own": "passed",
    "discard": "held",
    "quarantine": "held",
  };
  for (const [action, expected] of Object.entries(actions)) {
    const opinion = read({ action, score: 3 });
    const said = opinion.kind === "refused"
      ? String(opinion.reply.code)
      : opinion.kind === "passed" && opinion.quarantine !== null
      ? "held"
      : opinion.kind;
    assert.equal(said, expected, action);
  }
});

Deno.test("readRspamdAnswer: points are the score at its weight, within bounds", () => {
  const points = (score: number, weight: number) => {
    const opinion = read({ action: "no action", score }, weight);
    return opinion.kind === "passed" ? opinion.signals.map(({ points }) => points) : opinion.kind;
  };
  assert.deepEqual(points(-2.5, 0.5), [-1.25]);
  assert.deepEqual(points(1e6, 1), [100]);
  assert.deepEqual(points(7, 0), [0]);
  const skipped = read({ is_skipped: true, action: "no action", score: 9 });
  assert.ok(skipped.kind === "passed" && skipped.signals.length === 0);
});

Deno.test("readRspamdAnswer: names the weightiest symbols, and no more than a few", () => {
  const symbols = Object.fromEntries(
    Array.from({ length: 20 }, (_, n) => [`S_${n}\r\n`, { score: n % 2 === 0 ? n : -n }]),
  );
  const opinion = read({ action: "no action", score: 1, symbols });
  assert.ok(opinion.kind === "passed");
  assert.match(opinion.signals[0].text, /^rspamd scores 1: S_19\?\? -19, S_18\?\? 18, /);
  assert.match(opinion.signals[0].text, /S_12\?\? 12, \.\.\.$/);
});

Deno.test("readRspamdAnswer: no text throws, and what lacks action or score is a failure", () => {
  const bad = ["", "null", "[]", "7", '{"action":"no action"}', '{"score":1}', "[".repeat(500_000)];
  for (const text of bad) {
    assert.equal(readRspamdAnswer(text, { weight: 1 }).kind, "failed", text.slice(0, 30));
  }
  const answer = fc.record({
    action: fc.oneof(fc.constantFrom("reject", "no action"), fc.anything()),
    score: fc.anything(),
    symbols: fc.oneof(fc.dictionary(fc.string(), fc.anything()), fc.anything()),
    is_skipped: fc.anything(),
  }, { requiredKeys: [] });
  const text = fc.oneof(fc.string(), answer.map((value) => JSON.stringify(value) ?? ""));
  fc.assert(fc.property(text, (text) => {
    const opinion = readRspamdAnswer(text, { weight: 1 });
    for (const signal of opinion.kind === "passed" ? opinion.signals : []) {
      assert.ok(Math.abs(signal.points) <= 100 && signal.text.length < 600);
      assert.doesNotMatch(signal.text, /[\r\n]/);
    }
  }));
});
