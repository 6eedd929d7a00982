import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodeCharset } from "./charset.ts";

function decode(latin1: string, charset: string | null, isCut = false) {
  const { text, defect } = decodeCharset(Buffer.from(latin1, "latin1"), { charset, isCut });
  return [text, defect];
}

Deno.test("decodeCharset: takes the charset at its word", () => {
  assert.deepEqual(decode("\xe2\x82\xac", "UTF-8"), ["€", null]);
  assert.deepEqual(decode("\x80\xfc", " ISO-8859-1 "), ["€ü", null]);
  assert.deepEqual(decode("\x1b$B$3\x1b(B", "iso-2022-jp"), ["こ", null]);
  assert.deepEqual(decode("\x82\xb1", "cp932"), ["こ", null]);
  assert.deepEqual(decode("plain", "windows-1251"), ["plain", null]);
});

Deno.test("decodeCharset: without a charset it is UTF-8 if it can be, else Windows-1252", () => {
  assert.deepEqual(decode("\xe2\x82\xac", null), ["€", null]);
  assert.deepEqual(decode("\xfc", null), ["ü", "bad_charset_octets"]);
  assert.deepEqual(decode("\xe2\x82\xac", "us-ascii"), ["€", "bad_charset_octets"]);
  assert.deepEqual(decode("abc", "us-ascii"), ["abc", null]);
});

Deno.test("decodeCharset: unknown charsets are read as Latin-1 and said, UTF-7 among them", () => {
  for (const charset of ["utf-7", "x-unknown", "replacement", "iso-2022-kr", "a".repeat(1_000)]) {
    assert.deepEqual(decode("+AGE-\xfc", charset), ["+AGE-ü", "unknown_charset"], charset);
  }
});

Deno.test("decodeCharset: octets that fit no character are said, half of one at a cut is not", () => {
  assert.equal(decode("\xe2\x82", "utf-8")[1], "bad_charset_octets");
  assert.deepEqual(decode("a\xe2\x82", "utf-8", true), ["a", null]);
  assert.deepEqual(decode("a\xe2\x82", null, true), ["a", null]);
});

Deno.test("decodeCharset: any octets give text no longer than they are", () => {
  const charsets = fc.constantFrom(
    null,
    "utf-8",
    "utf-16be",
    "gb18030",
    "big5",
    "euc-kr",
    "utf-7",
    "\0",
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), charsets, (octets, charset) => {
    // Big5 has octet pairs that are two characters, and every broken octet is one.
    assert.ok(decodeCharset(octets, { charset }).text.length <= octets.length + 1);
  }));
});
