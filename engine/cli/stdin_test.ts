import assert from "node:assert/strict";
import { readLine } from "./stdin.ts";

function streamOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks) as ReadableStream<Uint8Array>;
}

const octets = (text: string) => new TextEncoder().encode(text);

Deno.test("readLine: the first line without its end, however the stream is cut", async () => {
  const whole = octets("pässwörd with spaces \r\nsecond line\n");
  for (let at = 0; at < whole.length; at++) {
    const line = await readLine(streamOf(whole.slice(0, at), whole.slice(at)));
    assert.equal(line, "pässwörd with spaces ");
  }
  assert.equal(await readLine(streamOf(octets("no end"))), "no end");
  assert.equal(await readLine(streamOf()), "");
});

Deno.test("readLine: too much, or what is no UTF-8, is wrong usage", async () => {
  await assert.rejects(readLine(streamOf(octets("x".repeat(5000)), octets("y"))), /too long/);
  await assert.rejects(readLine(streamOf(new Uint8Array([0xff, 0x0a]))), /not UTF-8/);
});
