import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { SinkSession } from "./sink_session.ts";

function feedAll(stream: string, cuts: readonly number[]) {
  const heads: string[] = [];
  const session = new SinkSession((head) => heads.push(head));
  const bytes = Buffer.from(stream, "latin1");
  const edges = [0, ...cuts.map((c) => c % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  let replies = "";
  for (let i = 1; i < edges.length; i++) {
    replies += session.feed(bytes.subarray(edges[i - 1], edges[i])).reply;
  }
  return { heads, codes: replies.split("\r\n").map((line) => line.slice(0, 4)) };
}

const stream =
  "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nA: 1\r\n\r\n..dot\r\n.x\r\n\r\n.\r\n" +
  "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\nNOOP\r\nQUIT\r\n";

Deno.test("SinkSession: takes two pipelined messages, one of them empty (RFC 5321 §4.5.2)", () => {
  const { heads, codes } = feedAll(stream, []);
  assert.equal(heads.length, 2);
  assert.ok(heads[0].startsWith("A: 1\r\n"));
  assert.deepEqual(
    codes.filter((code) => code.endsWith(" ")).map((code) => code.trim()),
    ["250", "250", "250", "354", "250", "250", "250", "354", "250", "250", "221"],
  );
});

Deno.test("SinkSession: cutting the stream anywhere changes nothing", () => {
  const whole = feedAll(stream, []).codes;
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 30 }), (cuts) => {
      assert.deepEqual(feedAll(stream, cuts).codes, whole);
    }),
  );
});

Deno.test("SinkSession: a message of many chunks ends once", () => {
  const body = ("x".repeat(76) + "\r\n").repeat(1300);
  const { heads } = feedAll(`DATA\r\n${body}.\r\nQUIT\r\n`, [10_000, 20_000, 99_999]);
  assert.equal(heads.length, 1);
  assert.equal(heads[0].length, 8192);
});
