import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { stuffDots } from "./dot_stuffing.ts";

/** What RFC 5321 §4.5.2 says, a line at a time. */
function expected(message: string): string {
  const lines = message.split("\r\n");
  if (lines[lines.length - 1] === "") lines.pop();
  const stuffed = lines.map((line) => (line.startsWith(".") ? `.${line}` : line) + "\r\n");
  return stuffed.join("") + ".\r\n";
}

const text = fc.array(fc.constantFrom(".", "\r\n", "\r", "\n", "a", "..", ".\r\n", "\xff"), {
  maxLength: 40,
}).map((parts) => parts.join(""));

Deno.test("stuffDots: does to every line what RFC 5321 §4.5.2 says", () => {
  fc.assert(fc.property(text, (message) => {
    const octets = Buffer.from(message, "latin1");
    const before = octets.toString("latin1");
    const wire = Buffer.concat([...stuffDots(octets)]).toString("latin1");
    assert.equal(wire, expected(message));
    assert.equal(octets.toString("latin1"), before);
  }));
});

Deno.test("stuffDots: what a server takes off again is the message, and ends where it ends", () => {
  fc.assert(fc.property(text, (message) => {
    const wire = Buffer.concat([...stuffDots(Buffer.from(message, "latin1"))]).toString("latin1");
    const end = `\r\n${wire}`.indexOf("\r\n.\r\n");
    assert.equal(end, wire.length - 3);
    const received = `\r\n${wire}`.slice(2, end + 2).replace(/(^|\r\n)\./g, "$1");
    const isWhole = message === "" || message.endsWith("\r\n");
    assert.equal(received, isWhole ? message : `${message}\r\n`);
  }));
});

Deno.test("stuffDots: works on a piece of a larger buffer", () => {
  const octets = Buffer.from("xx.a\r\n.b\r\nyy").subarray(2, 10);
  assert.equal(Buffer.concat([...stuffDots(octets)]).toString(), "..a\r\n..b\r\n.\r\n");
});
