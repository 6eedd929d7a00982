import assert from "node:assert/strict";
import fc from "fast-check";
import { distance, nearest } from "./nearest.ts";

const VERBS = ["add", "remove", "list", "password", "show", "app-password add"];

Deno.test("nearest: a slip, a word cut short and another program's word are understood", () => {
  assert.equal(nearest("ad", VERBS), "add");
  assert.equal(nearest("adn", VERBS), "add");
  assert.equal(nearest("LSIT", VERBS), "list");
  assert.equal(nearest("delete", VERBS), "remove");
  assert.equal(nearest("pass", VERBS), "password");
  assert.equal(nearest("shwo", VERBS), "show");
});

Deno.test("nearest: a word unlike all others is no guess", () => {
  assert.equal(nearest("frobnicate", VERBS), null);
  assert.equal(nearest("xyz", VERBS), null);
  assert.equal(nearest("delete", ["add", "show"]), null);
  assert.equal(nearest("constructor", VERBS), null);
});

Deno.test("distance: is 0 for equal words only, the same both ways, and never above the longer one", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(fc.property(word, word, (a, b) => {
    const slips = distance(a, b);
    assert.equal(slips === 0, a === b);
    assert.equal(slips, distance(b, a));
    assert.ok(slips <= Math.max(a.length, b.length));
  }));
});
