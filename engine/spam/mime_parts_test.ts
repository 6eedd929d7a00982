import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readHeaderSection } from "../mail/header_section.ts";
import { walkParts } from "./mime_parts.ts";

const BOUNDS = {
  maxParts: 20,
  maxDepth: 5,
  maxFileNameCharacters: 255,
  maxUnwrappedOctets: 10_000,
};

/** One line a part: depth, type, role and body. */
function walk(message: string) {
  const octets = Buffer.from(message, "latin1");
  const defects = new Set<string>();
  const spans = walkParts(octets, readHeaderSection(octets), {
    ...BOUNDS,
    note: (defect) => defects.add(defect),
  });
  const parts = spans.map(({ depth, fields, role, octets, startOctet, endOctet }) => {
    const body = role === "opened"
      ? ""
      : ` ${JSON.stringify(Buffer.from(octets.subarray(startOctet, endOctet)).toString("latin1"))}`;
    return `${"-".repeat(depth)}${fields.mediaType} ${role}${body}`;
  });
  return { parts, defects: [...defects] };
}

function lines(...text: readonly string[]): string {
  return text.join("\r\n");
}

function multipart(boundary: string, type = "mixed"): string {
  return `Content-Type: multipart/${type}; boundary="${boundary}"`;
}

Deno.test("walkParts: the parts of nested containers, without preamble and epilogue (RFC 2046 §5.1)", () => {
  const message = lines(
    ...[multipart("a"), "", "preamble", "--a", "", "one", "", "--a", multipart("b"), "", "--b"],
    ...[
      "Content-Type: text/html",
      "",
      "two",
      "--b--",
      "epilogue",
      "--b",
      "",
      "no part",
      "--a  ",
      "Content-Type: image/png",
    ],
    ...["", "three", "--a--", "epilogue", "--a", "", "no part"],
  );
  const expected = {
    parts: [
      "multipart/mixed opened",
      '-text/plain leaf "one\\r\\n"',
      "-multipart/mixed opened",
      '--text/html leaf "two"',
      '-image/png leaf "three"',
    ],
    defects: [],
  };
  assert.deepEqual(walk(message), expected);
  const { parts } = walk(message.replaceAll("\r\n", "\n"));
  assert.deepEqual(parts, expected.parts.map((part) => part.replaceAll("\\r", "")));
});

Deno.test("walkParts: a boundary may begin with another one (RFC 2046 §5.1.2)", () => {
  const { parts, defects } = walk(lines(
    ...[
      multipart("x"),
      "",
      "--x",
      multipart("xx"),
      "",
      "--xx",
      "",
      "one",
      "--xx--",
      "--x",
      "",
      "two",
      "--x--",
    ],
  ));
  assert.deepEqual(parts.slice(2), ['--text/plain leaf "one"', '-text/plain leaf "two"']);
  assert.deepEqual(defects, []);
  // Words behind a boundary do no harm, unless the line is another boundary in whole.
  assert.deepEqual(
    walk(lines(multipart("x"), "", "--x junk", "", "one", "--x-- junk", "y")).parts[1],
    '-text/plain leaf "one"',
  );
  const twice = lines(
    multipart("x"),
    "",
    "--x",
    multipart("x"),
    "",
    "--x junk",
    "",
    "one",
    "--x junk",
    "",
    "two",
  );
  assert.equal(walk(twice).parts[3], '--text/plain leaf "two"');
  const spaced = lines(
    multipart("x y"),
    "",
    "--x y",
    multipart("x"),
    "",
    "--x",
    "",
    "in",
    "--x y",
    "",
    "out",
  );
  assert.deepEqual(walk(spaced).parts.slice(2), [
    '--text/plain leaf "in"',
    '-text/plain leaf "out"',
  ]);
});

Deno.test("walkParts: a delimiter of an outer container ends the inner ones", () => {
  const { parts, defects } = walk(
    lines(
      multipart("a"),
      "",
      "--a",
      multipart("b"),
      "",
      "--b",
      "",
      "in",
      "--a",
      "",
      "out",
      "--a--",
    ),
  );
  assert.deepEqual(parts.slice(2), ['--text/plain leaf "in"', '-text/plain leaf "out"']);
  assert.deepEqual(defects, ["boundary_unclosed"]);
});

Deno.test("walkParts: a multipart without delimiters, or without a boundary, keeps its text", () => {
  const missing = { parts: ['multipart/mixed shapeless "text"'], defects: ["boundary_missing"] };
  assert.deepEqual(walk(lines(multipart("a"), "", "text")), missing);
  assert.deepEqual(walk(lines("Content-Type: multipart/mixed", "", "text")), missing);
  assert.deepEqual(walk(lines(multipart(""), "", "text")), missing);
  assert.deepEqual(walk(lines(multipart("a"), "", "text", "--a--")).defects, ["boundary_missing"]);
});

Deno.test("walkParts: messages within messages, digests, one in base64", () => {
  const inner = lines(
    "Subject: x",
    multipart("b"),
    "",
    "--b",
    "Content-Type: text/html",
    "",
    "in",
    "--b--",
  );
  assert.deepEqual(walk(lines("Content-Type: message/rfc822", "", inner)).parts, [
    "message/rfc822 opened",
    "-multipart/mixed opened",
    '--text/html leaf "in"',
  ]);
  assert.deepEqual(
    walk(lines(multipart("d", "digest"), "", "--d", "", "Subject: x", "", "in", "--d--")).parts,
    [
      "multipart/digest opened",
      "-message/rfc822 opened",
      '--text/plain leaf "in"',
    ],
  );
  const wrapped = lines(
    "Content-Type: message/rfc822",
    "Content-Transfer-Encoding: base64",
    "",
    Buffer.from(inner).toString("base64"),
  );
  const { parts } = walk(lines(multipart("a"), "", "--a", wrapped, "--a", "", "out", "--a--"));
  assert.deepEqual(parts.slice(1), [
    "-message/rfc822 opened",
    "--multipart/mixed opened",
    '---text/html leaf "in"',
    '-text/plain leaf "out"',
  ]);
});

Deno.test("walkParts: a part's header may lack its end, its fields, or everything", () => {
  const inside = (...part: string[]) => walk(lines(multipart("a"), "", "--a", ...part, "--a--"));
  assert.deepEqual(inside("Content-Type: text/html"), {
    parts: ["multipart/mixed opened", '-text/html leaf ""'],
    defects: ["header_unterminated"],
  });
  assert.deepEqual(inside("no header at all", "", "text"), {
    parts: ["multipart/mixed opened", '-text/plain leaf "no header at all\\r\\n\\r\\ntext"'],
    defects: ["header_line_without_colon"],
  });
  assert.deepEqual(
    inside("Content-Type: text/html", "no colon", "", "text").parts[1],
    '-text/html leaf "text"',
  );
  assert.deepEqual(
    inside("From x@example.org Fri Jan  2", "Content-Type: text/html", "", "text").parts[1],
    '-text/html leaf "text"',
  );
});

Deno.test("walkParts: depth and number are bounded, and what is left out is said", () => {
  const nested = Array.from(
    { length: 30 },
    (_, n) => lines(multipart(`b${n}x`), "", `--b${n}x`, ""),
  ).join("");
  const deep = walk(nested);
  assert.equal(deep.parts.length, BOUNDS.maxDepth + 1);
  assert.ok(deep.parts.at(-1)!.startsWith("-----multipart/mixed closed"));
  assert.ok(deep.defects.includes("too_deep"));
  const many = walk(lines(multipart("a"), "", ...Array(1_000).fill("--a\r\n\r\nx")));
  assert.deepEqual([many.parts.length, many.defects], [BOUNDS.maxParts, ["too_many_parts"]]);
});
