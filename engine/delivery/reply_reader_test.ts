import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { isWellFormed, ReplyReader } from "./reply_reader.ts";

function readAll(pieces: readonly string[]): readonly string[] | null {
  const reader = new ReplyReader();
  const replies: string[] = [];
  for (const piece of pieces) {
    const read = reader.feed(piece);
    if (read === null) return null;
    replies.push(...read);
  }
  return replies;
}

const line = fc.oneof(
  fc.constantFrom("250 fine", "250-more", "550 5.1.1 no", "354", "250", "", "250x", "\r", "421-"),
  fc.string({ maxLength: 12 }),
  anyText({ maxLength: 8 }).map((text) =>
    [...new TextEncoder().encode(text)].map((octet) => String.fromCharCode(octet)).join("")
  ),
);
const wire = fc.array(fc.tuple(line, fc.constantFrom("\r\n", "\n")), { maxLength: 12 })
  .map((lines) => lines.map(([text, end]) => text + end).join(""));

Deno.test("ReplyReader: cutting the stream anywhere changes nothing", () => {
  fc.assert(fc.property(wire, fc.array(fc.nat(200), { maxLength: 8 }), (octets, cuts) => {
    const places = [0, ...cuts.map((cut) => cut % (octets.length + 1)), octets.length]
      .sort((a, b) => a - b);
    const pieces = places.slice(1).map((place, i) => octets.slice(places[i], place));
    assert.deepEqual(readAll(pieces), readAll([octets]));
  }));
});

Deno.test("ReplyReader: a flood ends it, however it is cut", () => {
  const floods = {
    "a line without end": "250 " + "x".repeat(20_000),
    "a long line": "250 " + "x".repeat(20_000) + "\r\n",
    "lines without a last one": "250-more\r\n".repeat(3_000),
    "a reply of a long line after many": "250-more\r\n".repeat(1_500) + "250 " + "x".repeat(9_000),
  };
  for (const [name, flood] of Object.entries(floods)) {
    for (const size of [1, 1_000, 16_000, flood.length]) {
      const pieces = Array.from(
        { length: Math.ceil(flood.length / size) },
        (_, i) => flood.slice(i * size, (i + 1) * size),
      );
      assert.equal(readAll(pieces), null, `${name} in pieces of ${size}`);
    }
  }
});

Deno.test("ReplyReader: many replies are no flood", () => {
  assert.equal(readAll(["250 fine\r\n".repeat(10_000)])?.length, 10_000);
});

Deno.test("ReplyReader: UTF-8 comes whole though cut in two (RFC 6531 §3.7.4.2)", () => {
  assert.deepEqual(readAll(["550 gr\xc3", "\xbc\xc3\x9fe\r\n"]), ["550 grüße"]);
});

Deno.test("isWellFormed: one code on every line, and the last one marked (RFC 5321 §4.2.1)", () => {
  for (const reply of ["250 fine", "250", "250-a\n250 b", "550-a\n550"]) {
    assert.equal(isWellFormed(reply), true, reply);
  }
  const others = ["", "hello", "250x", "25", "150 a", "600 a", "250-a", "250-a\n550 b", "250-a\nb"];
  for (const reply of [...others, "hello\n250 b"]) assert.equal(isWellFormed(reply), false, reply);
});
