import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeWords } from "./encoded_words.ts";

Deno.test("decodeWords: decodes the examples of RFC 2047 §8", () => {
  const cases = {
    "(=?ISO-8859-1?Q?a?=)": "(a)",
    "(=?ISO-8859-1?Q?a?= b)": "(a b)",
    "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)": "(ab)",
    "(=?ISO-8859-1?Q?a?=  \r\n   =?ISO-8859-1?Q?b?=)": "(ab)",
    "(=?ISO-8859-1?Q?a_b?=)": "(a b)",
    "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)": "(a b)",
    "=?US-ASCII*EN?Q?Keith_Moore?= <moore@cs.utk.edu>": "Keith Moore <moore@cs.utk.edu>",
    "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=":
      "If you can read this you understand the example.",
  };
  for (const [value, shown] of Object.entries(cases)) assert.equal(decodeWords(value), shown);
});

Deno.test("decodeWords: joins a character cut between two words, takes white space within", () => {
  assert.equal(decodeWords("=?utf-8?B?4oI=?= =?UTF-8?Q?=AC?="), "€");
  assert.equal(decodeWords("=?iso-8859-1?Q?=FC?= =?utf-8?Q?=E2=82=AC?="), "ü€");
  assert.equal(decodeWords("=?utf-8?Q?a b=20c?="), "a b c");
  assert.equal(decodeWords('"=?utf-8?q?x?=" =?utf-8?q?y?='), '"x" y');
});

Deno.test("decodeWords: leaves what is no encoded word", () => {
  for (
    const value of [
      "plain",
      "=?",
      "=?utf-8?x?a?=",
      "=?utf-8?q?a",
      "=??q?a?=",
      "a =? b ?= c",
      "=?=?=?",
    ]
  ) {
    assert.equal(decodeWords(value), value);
  }
});

Deno.test("decodeWords: any value gives well-formed text no longer than it was, and at most 8192", () => {
  const piece = fc.constantFrom(
    "=?",
    "?=",
    "utf-8",
    "?q?",
    "?b?",
    " ",
    "=e2",
    "4oKs",
    "x",
    "\ud800",
    "=",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
    const value = pieces.join("");
    const shown = decodeWords(value);
    assert.ok(shown.length <= value.length && shown.isWellFormed());
  }));
  assert.equal(decodeWords("=?utf-8?q?=e2=82=ac?= ".repeat(100_000)).length <= 8_192, true);
});
