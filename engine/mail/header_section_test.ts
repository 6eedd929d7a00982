import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readHeaderSection } from "./header_section.ts";

function octets(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const MESSAGE =
  "Received: by a\r\nRECEIVED : by b;\r\n\tTue\r\nFrom: Ann\r\n <ann@example.org>\r\n" +
  "Received-SPF: pass\r\nSubject:  Gr\u00fc\u00dfe \r\nnonsense\r\nX-Empty:\r\n\r\n" +
  "Received: in the body\r\n\r\nDate: too";

Deno.test("readHeaderSection: ends at the first empty line (RFC 5322 §2.1)", () => {
  const header = readHeaderSection(octets(MESSAGE));
  const body = new TextDecoder().decode(octets(MESSAGE).subarray(header.bodyOctet));
  assert.equal(body, "Received: in the body\r\n\r\nDate: too");
  assert.equal(header.sizeOctets, header.bodyOctet - 2);
  assert.equal(header.isTerminated, true);
});

Deno.test("HeaderSection: counts a name in any case, whole, and not in folds or body (RFC 5321 §6.3)", () => {
  const header = readHeaderSection(octets(MESSAGE));
  assert.equal(header.count("received"), 2);
  assert.equal(header.count("Received", 1), 1);
  assert.equal(header.count("Received-SPF"), 1);
  assert.deepEqual(["Date", "FROM", "nonsense", "Tue", ""].map((name) => header.has(name)), [
    false,
    true,
    false,
    false,
    false,
  ]);
});

Deno.test("HeaderSection.first: unfolds, trims and reads UTF-8 (RFC 5322 §2.2.3)", () => {
  const header = readHeaderSection(octets(MESSAGE));
  assert.equal(header.first("from"), "Ann <ann@example.org>");
  assert.equal(header.first("Received"), "by a");
  assert.equal(header.first("Subject"), "Grüße");
  assert.equal(header.first("X-Empty"), "");
  assert.equal(header.first("Date"), null);
  const hostile = readHeaderSection(
    octets(`A: x\u0000\u001b[1m\r\n \r\ny: 1\r\nB: ${"é".repeat(5000)}`),
  );
  assert.equal(hostile.first("A"), "x  [1m");
  assert.equal(hostile.first("B"), "é".repeat(998));
});

Deno.test("HeaderSection.fields: gives ranges in octets, over UTF-8 as well", () => {
  const message = octets(MESSAGE);
  const fields = [...readHeaderSection(message).fields()];
  const shown = fields.map((field) => [
    field.name,
    new TextDecoder().decode(message.subarray(field.valueStartOctet, field.valueEndOctet)),
  ]);
  assert.deepEqual(shown, [
    ["Received", " by a"],
    ["RECEIVED", " by b;\r\n\tTue"],
    ["From", " Ann\r\n <ann@example.org>"],
    ["Received-SPF", " pass"],
    ["Subject", "  Grüße "],
    ["X-Empty", ""],
  ]);
  assert.equal(fields[0].startOctet, 0);
});

Deno.test("HeaderSection.hasOnlyFields: false as soon as a line is none, nor goes on with one", () => {
  const sections: [string, boolean][] = [
    ["A: x\r\n y\r\nB : z\r\n\r\n", true],
    ["\r\n", true],
    ["A: x\r\nno field\r\n\r\n", false],
    ["A: x\r\nno field: y\r\n\r\n", false],
    ["A: x\r\nB\r\n : y\r\n\r\n", false],
    ["From a@x Fri Jan  2 03:04:05 2026\r\nA: x\r\n\r\n", false],
    [" x\r\nA: x\r\n\r\n", false],
  ];
  for (const [text, expected] of sections) {
    assert.equal(readHeaderSection(octets(text)).hasOnlyFields(), expected, JSON.stringify(text));
  }
});

Deno.test("readHeaderSection: takes bare LF, no header, no body and no end", () => {
  const read = (text: string) => {
    const header = readHeaderSection(octets(text));
    return [header.sizeOctets, header.bodyOctet, header.isTerminated];
  };
  assert.deepEqual(read("A: b\n\nbody"), [5, 6, true]);
  assert.deepEqual(read("A: b\n\r\nbody"), [5, 7, true]);
  assert.deepEqual(read("\r\nbody"), [0, 2, true]);
  assert.deepEqual(read("\nbody"), [0, 1, true]);
  assert.deepEqual(read("A: b\r\n"), [6, 6, false]);
  assert.deepEqual(read("A: b"), [4, 4, false]);
  assert.deepEqual(read(""), [0, 0, false]);
  assert.equal(readHeaderSection(octets("A: b")).first("a"), "b");
});

Deno.test("readHeaderSection: never reads beyond its bound", () => {
  const header = readHeaderSection(octets("A: 1\r\nDate: 2\r\n\r\n"), { maxOctets: 8 });
  assert.deepEqual([header.sizeOctets, header.isTerminated, header.has("Date")], [8, false, false]);
});

Deno.test("readHeaderSection: finds the end wherever it falls, also across its reading windows", () => {
  for (const end of ["\r\n\r\n", "\n\n", "\n\r\n"]) {
    for (const edge of [4096, 16384]) {
      for (let before = edge - 6; before < edge + 3; before++) {
        const text = "A:".padEnd(before, "x") + end;
        const header = readHeaderSection(octets(text + "body\r\n\r\n"));
        assert.equal(header.bodyOctet, text.length, `${JSON.stringify(end)} at ${before}`);
      }
    }
  }
});

Deno.test("readHeaderSection: works on a view into a larger buffer", () => {
  const whole = Buffer.from("\r\n\r\nA: b\r\n\r\nbody");
  const header = readHeaderSection(whole.subarray(4));
  assert.deepEqual([header.bodyOctet, header.first("A")], [8, "b"]);
});

Deno.test("HeaderSection: no octets throw; count and fields agree; ranges stay inside", () => {
  const piece = fc.constantFrom(
    "A:",
    "a :",
    "a\t:",
    "b:",
    " ",
    "\t",
    "\r\n",
    "\n",
    "\r",
    "-",
    "\0",
    "é",
  );
  const soup = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));
  let counted = 0;
  fc.assert(
    fc.property(fc.oneof(soup.map(octets), fc.uint8Array({ maxLength: 200 })), (message) => {
      const header = readHeaderSection(message);
      const fields = [...header.fields()];
      for (const field of fields) {
        assert.ok(field.startOctet < field.valueStartOctet);
        assert.ok(field.valueStartOctet <= field.valueEndOctet);
        assert.ok(field.valueEndOctet <= header.sizeOctets);
      }
      const named = fields.filter((field) => field.name.toLowerCase() === "a").length;
      assert.equal(header.count("A"), named);
      assert.equal(header.first("a") !== null, named > 0);
      counted += named;
    }),
    { numRuns: 3000 },
  );
  assert.ok(counted > 100, `only ${counted} fields among the inputs`);
});
