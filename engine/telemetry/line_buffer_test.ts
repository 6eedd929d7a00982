import assert from "node:assert/strict";
import fc from "fast-check";
import { LineBuffer } from "./line_buffer.ts";

/** A buffer that never flushes by itself, and what it wrote. */
function bufferTo(write: (chunk: Uint8Array) => number) {
  return new LineBuffer({ write, flushAfterMs: 1e6, lostLine: (lines) => `lost ${lines}` });
}

function recorder() {
  const chunks: string[] = [];
  const write = (chunk: Uint8Array) => {
    chunks.push(new TextDecoder("utf-8", { fatal: true }).decode(chunk));
    return chunk.length;
  };
  return { chunks, write };
}

Deno.test("LineBuffer: writes whole lines, at most 4096 octets at once", () => {
  const line = fc.string({ unit: "grapheme", maxLength: 60 }).filter((text) => !/\n/.test(text));
  fc.assert(fc.property(fc.array(line, { maxLength: 200 }), (lines) => {
    const { chunks, write } = recorder();
    {
      using buffer = bufferTo(write);
      for (const each of lines) buffer.push(each);
    }
    assert.equal(chunks.join(""), lines.map((each) => each + "\n").join("").toWellFormed());
    for (const chunk of chunks) {
      assert.ok(chunk.endsWith("\n"));
      assert.ok(new TextEncoder().encode(chunk).length <= 4096);
    }
  }));
});

Deno.test("LineBuffer: collects until it is full", () => {
  const { chunks, write } = recorder();
  using buffer = bufferTo(write);
  for (let i = 0; i < 60; i++) buffer.push("x".repeat(1000));
  assert.equal(chunks.length, 0);
  for (let i = 0; i < 60; i++) buffer.push("x".repeat(1000));
  assert.ok(chunks.length > 0);
});

Deno.test("LineBuffer: a line waits no longer than told", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const write = (chunk: Uint8Array) => {
    resolve(new TextDecoder().decode(chunk));
    return chunk.length;
  };
  using buffer = new LineBuffer({ write, flushAfterMs: 1, lostLine: String });
  buffer.push("waiting");
  // The buffer's own timer does not keep the process alive, as it should not.
  const alive = setInterval(() => {}, 1000);
  assert.equal(await promise, "waiting\n");
  clearInterval(alive);
});

Deno.test("LineBuffer: takes up again where a short write ended", () => {
  const { chunks, write } = recorder();
  using buffer = bufferTo((chunk) => write(chunk.subarray(0, 3)));
  buffer.push("first line");
  buffer.push("second line");
  buffer.flush();
  assert.equal(chunks.join(""), "first line\nsecond line\n");
});

Deno.test("LineBuffer: while its reader is slow it keeps 64 KiB and counts the rest", () => {
  const { chunks, write } = recorder();
  let slow = true;
  using buffer = bufferTo((chunk) => {
    if (slow) throw new Deno.errors.WouldBlock("full");
    return write(chunk);
  });
  for (let i = 0; i < 100; i++) buffer.push(`${i}`.padEnd(1999));
  slow = false;
  buffer.flush();
  buffer.push("after");
  buffer.flush();
  const lines = chunks.join("").trimEnd().split("\n").map((line) => line.trimEnd());
  const kept = lines.length - 2;
  assert.ok(kept >= 29 && kept <= 32, `${kept} kept`);
  assert.deepEqual(lines.slice(-2), [`lost ${100 - kept}`, "after"]);
  assert.equal(lines[kept - 1], `${kept - 1}`);
});

Deno.test("LineBuffer: survives a reader that is gone", () => {
  const { chunks, write } = recorder();
  let gone = true;
  using buffer = bufferTo((chunk) => {
    if (gone) throw new Deno.errors.BrokenPipe("gone");
    return write(chunk);
  });
  for (let i = 0; i < 1000; i++) buffer.push("x".repeat(1000));
  buffer.flush();
  gone = false;
  buffer.push("back");
  buffer.flush();
  assert.deepEqual(chunks, ["back\n", "lost 1000\n"]);
});
