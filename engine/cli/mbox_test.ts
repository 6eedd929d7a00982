import assert from "node:assert/strict";
import fc from "fast-check";
import { isMbox, MboxSplitter } from "./mbox.ts";

function split(text: string, options: { cuts?: readonly number[]; maxOctets?: number } = {}) {
  const { cuts = [], maxOctets = 1_000_000 } = options;
  const splitter = new MboxSplitter({ maxOctets });
  const octets = new TextEncoder().encode(text);
  const messages: Uint8Array[] = [];
  let start = 0;
  for (
    const cut of [...cuts.map((cut) => cut % (octets.length + 1)), octets.length].sort((a, b) =>
      a - b
    )
  ) {
    messages.push(...splitter.push(octets.subarray(start, cut)));
    start = cut;
  }
  messages.push(...splitter.end());
  return messages.map((message) => new TextDecoder().decode(message));
}

const FIRST = "From ann@example.org Thu Nov 26 01:02:03 2026\n";
const SECOND = "From - Thu Nov 26 01:02:04 2026\r\n";

Deno.test("MboxSplitter: messages begin with From lines behind an empty line (RFC 4155)", () => {
  assert.deepEqual(
    split(
      `${FIRST}Subject: a\n\none\n\n${SECOND}Subject: b\r\n\r\ntwo\r\n\r\n${FIRST}Subject: c\n\nend`,
    ),
    ["Subject: a\n\none\n", "Subject: b\r\n\r\ntwo\r\n", "Subject: c\n\nend"],
  );
});

Deno.test("MboxSplitter: text that begins with From stays text, and what was quoted is no more", () => {
  const text = "Subject: a\n\nFrom here on\n>From there\n>>From afar\n> From nowhere\ntext\n" +
    "From x@y.test Thu Nov 26 01:02:03 2026 amid text\n";
  assert.deepEqual(split(FIRST + text), [
    text.replace(">From there", "From there").replace(">>From afar", ">From afar"),
  ]);
});

Deno.test("MboxSplitter: keeps the beginning of a long message, and of a line without end", () => {
  const long = `${FIRST}Subject: a\n\n${"x".repeat(300_000)}\n\n${FIRST}Subject: b\n\n`;
  const messages = split(long, { cuts: [100_000, 200_000], maxOctets: 1_000 });
  assert.deepEqual(messages.map(({ length }) => length), [1_000, 12 - 1]);
});

Deno.test("MboxSplitter: what is in front of the first From line, or no mailbox at all, is nothing", () => {
  assert.deepEqual(split("\n\nSubject: x\n\n"), []);
  assert.deepEqual(split(""), []);
});

Deno.test("MboxSplitter: cutting the file anywhere changes nothing", () => {
  const line = fc.constantFrom(FIRST, SECOND, "\n", "\r\n", "text\n", ">From x\n", "F", "From \n");
  fc.assert(fc.property(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 6 }), (
    lines,
    cuts,
  ) => assert.deepEqual(split(lines.join(""), { cuts }), split(lines.join("")))));
});

Deno.test("isMbox: tells a mailbox from a message", () => {
  const head = (text: string) => isMbox(new TextEncoder().encode(text));
  assert.equal(head(FIRST), true);
  assert.equal(head("From: ann@example.org\n"), false);
  assert.equal(head("Received: x\n"), false);
  assert.equal(head(""), false);
});
