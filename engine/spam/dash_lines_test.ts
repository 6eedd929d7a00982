import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { DashLines } from "./dash_lines.ts";

function starts(octets: Uint8Array): number[] {
  const lines = new DashLines(octets);
  const found: number[] = [];
  for (let at = lines.next(0); at < octets.length; at = lines.next(at + 2)) found.push(at);
  return found;
}

Deno.test("DashLines: finds the lines that start with two hyphens, and only those", () => {
  const piece = fc.constantFrom("-", "--", "\n", "\r\n", "a", "--b");
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }),
      fc.constantFrom(0, 65_530, 65_536),
      (pieces, before) => {
        const text = "a".repeat(before) + pieces.join("");
        const expected = [...text.matchAll(/(?<![^\n])--/g)].map(({ index }) => index);
        assert.deepEqual(starts(Buffer.from(text)), expected);
      },
    ),
  );
});

Deno.test("DashLines: a line may lie across windows, and be asked for again", () => {
  for (let before = 65_500; before < 65_545; before++) {
    const octets = Buffer.from(`${"a".repeat(before)}\r\n--boundary \t\r\nrest`);
    const lines = new DashLines(octets);
    assert.equal(lines.next(0), before + 2);
    assert.deepEqual(lines.line(before + 2), { text: "--boundary", nextOctet: before + 16 });
    assert.equal(lines.next(before + 4), octets.length);
    assert.equal(lines.next(10), before + 2);
  }
});

Deno.test("DashLines: a line at the end needs no line end, a long one is none", () => {
  assert.deepEqual(new DashLines(Buffer.from("--a")).line(0), { text: "--a", nextOctet: 3 });
  assert.equal(new DashLines(Buffer.from("-".repeat(2_000) + "\n")).line(0), null);
});
