import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { relaxedBodyHash, relaxedField } from "./dkim_canonical.ts";

function sha256(text: string): string {
  return createHash("sha256").update(text, "latin1").digest("base64");
}

function bodyHash(body: string): string {
  return relaxedBodyHash(Buffer.from(body, "latin1")).toString("base64");
}

/** The rule, said another way: line by line over the whole. */
function plainly(body: string): string {
  const lines = body.split("\r\n").map((line) =>
    line.replace(/[\t ]+$/, "").replace(/[\t ]+/g, " ")
  );
  while (lines.length > 0 && lines[lines.length - 1] === "") lines.pop();
  return lines.length === 0 ? "" : lines.join("\r\n") + "\r\n";
}

Deno.test("relaxedBodyHash: the RFC's example, and bodies of nothing (RFC 6376 §3.4.4, §3.4.5)", () => {
  assert.equal(bodyHash(" C \r\nD \t E\r\n\r\n\r\n"), sha256(" C\r\nD E\r\n"));
  for (const empty of ["", "\r\n", "\r\n\r\n", " \t\r\n", "  "]) {
    assert.equal(bodyHash(empty), sha256(""), JSON.stringify(empty));
  }
  assert.equal(bodyHash("a"), sha256("a\r\n"));
  assert.equal(bodyHash("a\r\n \t\r\n\r\n"), sha256("a\r\n"));
  assert.equal(bodyHash("\r\na\r\n"), sha256("\r\na\r\n"));
});

Deno.test("relaxedBodyHash: agrees with the rule applied line by line, whatever the size", () => {
  const piece = fc.constantFrom("a", "bc", " ", "  ", "\t", "\r\n", "\r\n\r\n", "\xe4", ".");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), fc.nat(3), (pieces, size) => {
      // Beyond one chunk, and with the seam anywhere.
      const body = "x".repeat(65_530).repeat(size) + pieces.join("").repeat(1 + size * 40);
      assert.equal(bodyHash(body), sha256(plainly(body)));
    }),
    { numRuns: 60 },
  );
});

Deno.test("relaxedField: one line, single spaces, lower-case name (RFC 6376 §3.4.2)", () => {
  assert.equal(relaxedField("A", " X"), "a:X");
  assert.equal(relaxedField("SUBJect", "\tY\t\r\n\tZ  "), "subject:Y Z");
  assert.equal(relaxedField("Empty", ""), "empty:");
  assert.equal(relaxedField("Empty", " \r\n "), "empty:");
});
