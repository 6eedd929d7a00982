import assert from "node:assert/strict";
import fc from "fast-check";
import { LookupCache } from "./lookup_cache.ts";

interface Answer {
  readonly isGuess: boolean;
  readonly weight: number;
}

const answers = (capacity: number) =>
  new LookupCache<Answer>({ capacity, judge: (answer) => answer });
const NAMED = { isGuess: false, weight: 1 };
const GUESS = { isGuess: true, weight: 1 };

Deno.test("LookupCache: forgets what was not used for longest, each sort on its own", () => {
  const cache = answers(2);
  cache.set("ann", NAMED);
  for (const guess of ["a", "b", "c"]) cache.set(guess, GUESS);
  assert.equal(cache.get("ann")?.value, NAMED);
  assert.equal(cache.get("a"), undefined);
  assert.equal(cache.get("b")?.value, GUESS);
  cache.set("d", GUESS);
  assert.equal(cache.get("c"), undefined);
  assert.equal(cache.get("b")?.value, GUESS);
  cache.clear();
  assert.equal(cache.get("ann"), undefined);
});

Deno.test("LookupCache: a name answered otherwise than before has only the new answer", () => {
  const cache = answers(2);
  cache.set("ann", NAMED);
  cache.set("ann", GUESS);
  assert.equal(cache.get("ann")?.value, GUESS);
  cache.set("ann", NAMED);
  assert.equal(cache.get("ann")?.value, NAMED);
});

Deno.test("LookupCache: holds no more than its capacity, whatever is put in", () => {
  const put = fc.record({
    key: fc.constantFrom(..."abcdefgh"),
    isGuess: fc.boolean(),
    weight: fc.integer({ min: 1, max: 12 }),
  });
  fc.assert(fc.property(fc.array(put, { maxLength: 50 }), (puts) => {
    const cache = answers(10);
    for (const { key, isGuess, weight } of puts) {
      cache.set(key, { isGuess, weight });
      const held = [..."abcdefgh"].map((name) => cache.get(name)?.value)
        .filter((answer) => answer !== undefined);
      for (const sort of [true, false]) {
        const sum = held.filter((answer) => answer.isGuess === sort)
          .reduce((total, answer) => total + answer.weight, 0);
        assert.ok(sum <= 10, `${sum}`);
      }
      assert.equal(cache.get(key) !== undefined, weight <= 10);
    }
  }));
});
