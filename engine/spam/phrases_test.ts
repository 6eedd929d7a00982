import assert from "node:assert/strict";
import fc from "fast-check";
import { PhraseBook, wordsOf } from "./phrases.ts";

const book = new PhraseBook([
  { name: "FEES", needs: 2, phrases: ["next of kin", "million dollars", "Überweisung"] },
  { name: "CALLS", needs: 1, phrases: ["click here", "click"] },
  { name: "SUMS", needs: 1, phrases: ["100% free"] },
]);

Deno.test("PhraseBook: finds phrases by their words, whatever case and marks stand between", () => {
  assert.deepEqual(book.findIn("CLICK -- here!").get("CALLS"), ["click here", "click"]);
  assert.deepEqual(book.findIn("it is 100%  free.").get("SUMS"), ["100% free"]);
  assert.equal(book.findIn("clicked here").size, 0);
  assert.equal(book.findIn("click\n\n\n\n\n\n\n\n\n\nhere").get("CALLS")?.length, 1);
});

Deno.test("PhraseBook: a rule needs as many different phrases as it says", () => {
  assert.ok(!book.findIn("next of kin, next of kin").has("FEES"));
  assert.ok(book.findIn("Next of Kin: a million dollars").has("FEES"));
  assert.ok(book.findIn("ÜBERWEISUNG an next of kin").has("FEES"));
});

Deno.test("PhraseBook: any text is answered, in time that grows with it", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    book.findIn(text);
  }));
  const startedMs = performance.now();
  for (
    const text of ["click ".repeat(200_000), "next of ".repeat(100_000), "a".repeat(1_000_000)]
  ) {
    book.findIn(text);
  }
  assert.ok(performance.now() - startedMs < 1_000);
});

Deno.test("wordsOf: letters, digits, dollars and percents", () => {
  assert.deepEqual(wordsOf("Don't pay $100 – 50% off"), ["don", "t", "pay", "$100", "50%", "off"]);
});
