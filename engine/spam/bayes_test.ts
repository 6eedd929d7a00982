import assert from "node:assert/strict";
import fc from "fast-check";
import { type BayesCounts, BayesModel, GLOBAL_SCOPE, ScopeBuilder, type TokenId } from "./bayes.ts";

const MESSAGES = { ham: 100, spam: 100 };
const HAM_WORDS = [1, 2, 3, 4, 5];
const SPAM_WORDS = [11, 12, 13, 14, 15];

function counts(
  rows: readonly (readonly [TokenId, number, number])[],
  messages = MESSAGES,
): BayesCounts {
  return { messages, tokens: rows };
}

const everyone = counts([
  ...HAM_WORDS.map((id) => [id, 40, 1] as const),
  ...SPAM_WORDS.map((id) => [id, 1, 40] as const),
  [20, 30, 30],
]);

function model(scopes: Readonly<Record<string, BayesCounts>>): BayesModel {
  return BayesModel.fromCounts(new Map(Object.entries(scopes)));
}

function probability(one: BayesModel, tokens: readonly TokenId[], domain?: string): number {
  return one.probability(Float64Array.from(tokens), domain)?.probability ?? NaN;
}

Deno.test("BayesModel: words of spam speak for spam, words of ham against it, others not at all", () => {
  const one = model({ [GLOBAL_SCOPE]: everyone });
  assert.ok(probability(one, SPAM_WORDS) > 0.9);
  assert.ok(probability(one, HAM_WORDS) < 0.1);
  assert.ok(Math.abs(probability(one, [...SPAM_WORDS, ...HAM_WORDS]) - 0.5) < 0.05);
  assert.equal(probability(one, [20, 999]), 0.5);
  assert.equal(probability(one, []), 0.5);
});

Deno.test("BayesModel: says nothing before enough of both kinds was learnt", () => {
  const little = counts([[11, 0, 49]], { ham: 1_000, spam: 49 });
  assert.equal(model({ [GLOBAL_SCOPE]: little }).probability(Float64Array.of(11)), null);
  assert.equal(model({}).probability(Float64Array.of(11)), null);
  assert.ok(model({ [GLOBAL_SCOPE]: everyone }).probability(Float64Array.of(11)) !== null);
});

Deno.test("BayesModel: counts are shares, so that more ham than spam makes nothing ham", () => {
  const uneven = counts([[7, 50, 50]], { ham: 5_000, spam: 50 });
  assert.ok(probability(model({ [GLOBAL_SCOPE]: uneven }), [7]) > 0.6);
});

Deno.test("BayesModel: what a domain learnt itself outweighs what everyone thinks, for that domain alone", () => {
  const own = counts(SPAM_WORDS.map((id) => [id, 30, 0] as const), { ham: 60, spam: 60 });
  const both = model({ [GLOBAL_SCOPE]: everyone, "example.org": own });
  assert.ok(probability(both, SPAM_WORDS, "example.org") < 0.2);
  assert.ok(probability(both, SPAM_WORDS, "example.net") > 0.9);
  assert.ok(probability(both, SPAM_WORDS) > 0.9);
  // Of what it has not met, everyone's opinion stays.
  assert.ok(probability(both, HAM_WORDS, "example.org") < 0.1);
  const learnt = both.probability(Float64Array.from(SPAM_WORDS), "example.org")?.messages;
  assert.deepEqual(learnt, everyone.messages);
  const alone = model({ "example.org": own });
  assert.ok(probability(alone, SPAM_WORDS, "example.org") < 0.2);
  assert.equal(alone.probability(Float64Array.from(SPAM_WORDS)), null);
});

Deno.test("BayesModel: three hundred words of little weight leave twenty of much half of the say", () => {
  const weak = Array.from({ length: 300 }, (_, at) => [1_000 + at, 30, 10] as const);
  const strong = Array.from({ length: 20 }, (_, at) => [2_000 + at, 0, 60] as const);
  const one = model({ [GLOBAL_SCOPE]: counts([...weak, ...strong]) });
  const ids = (rows: readonly (readonly [number, number, number])[]) => rows.map(([id]) => id);
  assert.ok(probability(one, ids(weak)) < 0.5);
  assert.ok(probability(one, [...ids(weak), ...ids(strong)]) > 0.45);
});

Deno.test("BayesModel: a snapshot answers as the model does, and crosses to a worker without a copy", () => {
  const one = model({ [GLOBAL_SCOPE]: everyone });
  const crossed = structuredClone(one.snapshot);
  assert.equal(
    crossed.scopes[0].slots.buffer.byteLength,
    one.snapshot.scopes[0].slots.buffer.byteLength,
  );
  assert.ok(crossed.scopes[0].slots.buffer instanceof SharedArrayBuffer);
  const other = BayesModel.fromSnapshot(crossed);
  for (const tokens of [SPAM_WORDS, HAM_WORDS]) {
    assert.equal(probability(other, tokens), probability(one, tokens));
  }
});

Deno.test("BayesModel: answers from 0 to 1 whatever the counts and tokens are", () => {
  const id = fc.integer({ min: 1, max: 40 });
  const count = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(fc.property(
    fc.uniqueArray(fc.tuple(id, count, count), { selector: ([id]) => id }),
    fc.uniqueArray(id, { maxLength: 40 }),
    (rows, tokens) => {
      const found = probability(model({ [GLOBAL_SCOPE]: counts(rows) }), tokens);
      assert.ok(found >= 0 && found <= 1);
    },
  ));
});

Deno.test("ScopeBuilder: keeps every token while it grows, ids of 52 bits as well", () => {
  const builder = new ScopeBuilder();
  const ids = Array.from({ length: 20_000 }, (_, at) => 2 ** 51 + at * 7_919_777);
  for (const [at, id] of ids.entries()) builder.add(id, at, 1);
  const { slots } = builder.build(GLOBAL_SCOPE, MESSAGES);
  const kept = new Map<number, number>();
  for (let at = 0; at < slots.length; at += 4) {
    kept.set(slots[at + 1] * 2 ** 32 + slots[at], slots[at + 2]);
  }
  const lost = ids.filter((id, at) => kept.get(id) !== at);
  assert.equal(lost.length, 0);
});

Deno.test("ScopeBuilder: ids that meet in one slot cost no more than a few steps, and lose no others", () => {
  const crowd = Array.from({ length: 30_000 }, (_, at) => [(at + 1) * 2 ** 24, 0, 50] as const);
  const startedMs = performance.now();
  const one = model({ [GLOBAL_SCOPE]: counts([...crowd, [11, 0, 50]]) });
  assert.ok(probability(one, [11]) > 0.6);
  probability(one, crowd.map(([id]) => id));
  assert.ok(performance.now() - startedMs < 2_000);
});
