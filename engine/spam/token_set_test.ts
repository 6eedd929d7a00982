import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_TOKENS, tokenKind, TokenSet } from "./token_set.ts";

const WORD = tokenKind("word");
const PAIR = tokenKind("pair");

function words(text: string): number[] {
  const tokens = new TokenSet();
  tokens.addWords(text, WORD, null);
  return [...tokens.ids];
}

function pairs(text: string): number[] {
  const tokens = new TokenSet();
  tokens.addWords(text, WORD, PAIR);
  return [...tokens.ids];
}

Deno.test("TokenSet: ids never change, for counts are kept by them", () => {
  assert.deepEqual(words("hello world"), words("world hello").toReversed());
  assert.deepEqual(pairs("cheap offer"), GOLDEN);
});
const GOLDEN = [496508806709471, 2492528789855072, 851960230798615];

Deno.test("TokenSet: case, digits and what nobody sees make no other word", () => {
  assert.deepEqual(words("Offer"), words("offer"));
  assert.deepEqual(words("ÄRGER Привет"), words("ärger привет"));
  assert.deepEqual(words("19.95"), words("48.13"));
  assert.notDeepEqual(words("100"), words("10"));
  assert.deepEqual(words("of\u200bfer\u00ad"), words("offer"));
  assert.deepEqual(words("don’t").length, 1);
});

Deno.test("TokenSet: capitals throughout and an exclamation mark are words of their own", () => {
  assert.equal(words("FREE").length, 2);
  assert.equal(words("free!").length, 2);
  assert.equal(words("FREE!").length, 3);
  assert.ok(words("FREE").includes(words("free")[0]));
});

Deno.test("TokenSet: a pair depends on its order and on nothing between", () => {
  assert.deepEqual(pairs("cheap offer"), pairs("cheap  -- offer"));
  assert.notDeepEqual(pairs("cheap offer").sort(), pairs("offer cheap").sort());
});

Deno.test("TokenSet: scripts without spaces give pairs of characters", () => {
  assert.equal(words("日本語").length, 2);
  assert.deepEqual(words("日本").every((id) => words("日本語").includes(id)), true);
});

Deno.test("TokenSet: a kind keeps its tokens apart", () => {
  const tokens = new TokenSet();
  tokens.add(WORD, "offer");
  tokens.add(PAIR, "offer");
  tokens.add(WORD, "offer");
  assert.equal(tokens.ids.length, 2);
});

Deno.test("TokenSet: a host counts with the names above it", () => {
  const tokens = new TokenSet();
  tokens.addHost(WORD, "a.example.org");
  const alone = new TokenSet();
  alone.add(WORD, "example.org");
  assert.equal(tokens.ids.length, 3);
  assert.ok(tokens.ids.includes(alone.ids[0]));
});

Deno.test("TokenSet: any text gives whole numbers from 1 to 2^52 - 1, each once", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
    const ids = pairs(text);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.every((id) => Number.isInteger(id) && id >= 1 && id < 2 ** 52));
  }));
});

Deno.test("TokenSet: bounded in number and time, whatever the text", () => {
  const next = (at: number) =>
    `${String.fromCharCode(97 + at % 26)}${(at * 48_271 % 99_991).toString(36)}`;
  const texts = [
    Array.from({ length: 200_000 }, (_, at) => next(at)).join(" "),
    "a".repeat(1_000_000),
    "'".repeat(1_000_000),
    "a-".repeat(500_000),
    "\u200b".repeat(1_000_000),
  ];
  const startedMs = performance.now();
  for (const text of texts) assert.ok(pairs(text).length <= MAX_TOKENS);
  assert.ok(performance.now() - startedMs < 2_000);
});
