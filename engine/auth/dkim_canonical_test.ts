import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { relaxedBodyHash, relaxedField } from "./dkim_canonical.ts";

function sha256(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("base64");
}

async function bodyHash(body: string): Promise<string> {
  return (await relaxedBodyHash(Buffer.from(body, "latin1"))).toString("base64");
}

/** The rule, said another way: line by line over the whole. */
function plainly(body: string): string {
  const lines = body.split("\r\n").map((line) =>
    line.replace(/[\t ]+$/, "").replace(/[\t ]+/g, " ")
  );
  while (lines.length > 0 && lines[lines.length - 1] === "") lines.pop();
  return lines.length === 0 ? "" : lines.join("\r\n") + "\r\n";
}

Deno.test("relaxedBodyHash: the RFC's example, and bodies of nothing (RFC 6376 §3.4.4, §3.4.5)", async () => {
  assert.equal(await bodyHash(" C \r\nD \t E\r\n\r\n\r\n"), sha256(" C\r\nD E\r\n"));
  for (const empty of ["", "\r\n", "\r\n\r\n", " \t\r\n", "  "]) {
    assert.equal(await bodyHash(empty), sha256(""), JSON.stringify(empty));
  }
  assert.equal(await bodyHash("a"), sha256("a\r\n"));
  assert.equal(await bodyHash("a\r\n \t\r\n\r\n"), sha256("a\r\n"));
  assert.equal(await bodyHash("\r\na\r\n"), sha256("\r\na\r\n"));
});

Deno.test("relaxedBodyHash: agrees with the rule applied line by line, whatever the size", async () => {
  const piece = fc.constantFrom("a", "bc", " ", "  ", "\t", "\r\n", "\r\n\r\n", "\xe4", ".");
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }), fc.nat(2), async (pieces, size) => {
      // Beyond one chunk, and with the seam anywhere.
      const body = "x".repeat(262_140).repeat(size) + pieces.join("").repeat(1 + size * 40);
      assert.equal(await bodyHash(body), sha256(plainly(body)));
    }),
    { numRuns: 60 },
  );
});

Deno.test("relaxedBodyHash: takes a time that grows with the size alone, and lets others in", async () => {
  const run = (octet: string) => octet.repeat(1024 * 1024) + "x\r\n";
  const large = 25 * 1024 * 1024;
  const text = "A line of text as people write it, neither short nor long, and no tabs.\r\n";
  const bodies: Record<string, Buffer> = {
    "a run of spaces": Buffer.from(run(" ")),
    "a run of tabs": Buffer.from(run("\t")),
    "a run of line ends": Buffer.from(run("\r\n")),
    "a run of blank lines": Buffer.from(run(" \t\r\n")),
    "a run of CR": Buffer.from(run("\r")),
    "a run of white space": Buffer.from(run(" \t")),
    "one line": Buffer.alloc(large, "x"),
    "lines of text": Buffer.alloc(large, text),
    "tabs on every line": Buffer.alloc(large, "a \t b \t\r\n"),
  };
  for (const [name, body] of Object.entries(bodies)) {
    const startedMs = performance.now();
    const hashing = relaxedBodyHash(body);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await hashing;
    clearInterval(timer);
    const tookMs = performance.now() - startedMs;
    // A tenth is usual; what grew with the square would take minutes.
    assert.ok(tookMs < 3_000, `${name}: ${Math.round(tookMs)} ms`);
    if (body.length === large) assert.ok(turns > 5, `${name}: ${turns} turns`);
  }
});

Deno.test("relaxedField: one line, single spaces, lower-case name (RFC 6376 §3.4.2)", () => {
  assert.equal(relaxedField("A", " X"), "a:X");
  assert.equal(relaxedField("SUBJect", "\tY\t\r\n\tZ  "), "subject:Y Z");
  assert.equal(relaxedField("Empty", ""), "empty:");
  assert.equal(relaxedField("Empty", " \r\n "), "empty:");
});
