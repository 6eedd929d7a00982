import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readHeaderSection } from "../mail/header_section.ts";
import { type ContentFields, readContentFields } from "./content_fields.ts";

function read(header: string): ContentFields & { readonly defects: readonly string[] } {
  const octets = Buffer.from(`${header}\r\n\r\n`, "latin1");
  const defects: string[] = [];
  const fields = readContentFields(octets, readHeaderSection(octets), {
    defaultType: "text/plain",
    maxFileNameCharacters: 255,
    note: (defect) => defects.push(defect),
  });
  return { ...fields, defects };
}

function fileName(header: string): string | null {
  return read(header).fileName;
}

Deno.test("readContentFields: without fields it is plain text (RFC 2045 §5.2)", () => {
  const { defects, ...fields } = read("Subject: x");
  assert.deepEqual(fields, {
    mediaType: "text/plain",
    charset: null,
    boundary: null,
    transferEncoding: "7bit",
    disposition: null,
    fileName: null,
  });
  assert.deepEqual(defects, []);
});

Deno.test("readContentFields: reads types and parameters through folds, comments and case", () => {
  const { mediaType, boundary, defects } = read(
    'content-TYPE : Multipart/MIXED (a; comment=1)\r\n\t; x=y; BOUNDARY="a b\\"c "; boundary=other',
  );
  assert.deepEqual([mediaType, boundary, defects], ["multipart/mixed", 'a b"c', []]);
  assert.equal(read("Content-Type: text/html;charset=utf-8 (x)").charset, "utf-8");
  assert.equal(read('Content-Type: text/html; name="x" charset="UTF-8"').charset, "utf-8");
  assert.equal(read("Content-Transfer-Encoding: BASE64 (x)").transferEncoding, "base64");
});

Deno.test("readContentFields: what is no type is plain text and a defect", () => {
  for (const type of ["text", "", "/plain", "text/", "a b/c", "text/html charset=x"]) {
    const { mediaType, defects } = read(`Content-Type: ${type}`);
    assert.ok(type.includes("html") || mediaType === "text/plain", type);
    if (!type.includes("html")) assert.deepEqual(defects, ["bad_content_type"], type);
  }
  assert.deepEqual(read('Content-Type: a/b; name="open').defects, ["bad_content_type"]);
});

Deno.test("readContentFields: the first of several fields counts, and it is a defect", () => {
  const { mediaType, defects } = read("Content-Type: text/html\r\nContent-Type: image/png");
  assert.deepEqual([mediaType, defects], ["text/html", ["duplicate_content_field"]]);
});

Deno.test("readContentFields: a boundary has at least one character and fits a line", () => {
  const boundary = (text: string) => read(`Content-Type: multipart/x; boundary="${text}"`).boundary;
  assert.equal(boundary("b".repeat(71)), "b".repeat(71));
  assert.equal(boundary("b".repeat(501)), null);
  assert.equal(boundary("  "), null);
  assert.equal(read("Content-Type: multipart/x; boundary*0=a; boundary*1=b").boundary, "ab");
  assert.equal(read("Content-Type: text/x; boundary=a").boundary, null);
});

Deno.test("readContentFields: an unknown disposition is an attachment (RFC 2183 §2.8)", () => {
  assert.equal(read("Content-Disposition: INLINE; filename=x").disposition, "inline");
  assert.equal(read("Content-Disposition: form-data").disposition, "attachment");
  assert.equal(read("Content-Disposition:").disposition, null);
});

Deno.test("fileName: reads the forms of RFC 2231 and RFC 2047, and raw octets", () => {
  const cases: [string, string][] = [
    ['Content-Disposition: attachment; filename="a \\"b\\".pdf"', 'a "b".pdf'],
    ["Content-Disposition: attachment; filename=two words.pdf", "two words.pdf"],
    ["Content-Type: a/b; name=from type.txt", "from type.txt"],
    ["Content-Disposition: attachment; filename=x; filename*=utf-8'en'%e2%82%ac.pdf", "€.pdf"],
    [
      "Content-Disposition: attachment; filename*0*=iso-8859-1''%fc; filename*1=b%; filename*2*=%20c",
      "üb% c",
    ],
    ["Content-Disposition: attachment; filename*1=b; filename*0=a", "ab"],
    ["Content-Disposition: attachment; filename*=no%20charset", "no charset"],
    ['Content-Disposition: attachment; filename="=?utf-8?B?4oKs?= =?utf-8?q?=2Epdf?="', "€.pdf"],
    ['Content-Disposition: attachment; filename="\xe2\x82\xac.pdf"', "€.pdf"],
    ['Content-Disposition: attachment; filename="\xfc.pdf"', "ü.pdf"],
  ];
  for (const [header, name] of cases) assert.equal(fileName(header), name, header);
});

Deno.test("fileName: bounded, with its end kept; control characters go, a turned direction stays", () => {
  const long = fileName(
    `Content-Disposition: attachment; filename="${"a".repeat(4_000)}.pdf.exe"`,
  )!;
  assert.equal(long.length, 255);
  assert.ok(long.startsWith("aaa") && long.endsWith(".pdf.exe"));
  assert.equal(fileName("Content-Type: a/b; name*=utf-8''%e2%80%aea%00%0db"), "\u202ea b");
});

Deno.test("readContentFields: any header gives fields within bounds", () => {
  const piece = fc.constantFrom(
    ...[
      "Content-Type:",
      "Content-Disposition:",
      "\r\n",
      "\r\n ",
      ";",
      "=",
      '"',
      "\\",
      "(",
      ")",
      "*",
      "*0",
      "*1*",
    ],
    ...[
      "name",
      "filename",
      "boundary",
      "multipart/mixed",
      "'",
      "%e2",
      "\xff",
      "a",
      " ",
      "\0",
      "=?utf-8?q?",
    ],
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
    const { mediaType, fileName, charset } = read(pieces.join(""));
    assert.ok(
      mediaType.length <= 201 && (fileName?.length ?? 0) <= 255 && (charset?.length ?? 0) <= 100,
    );
  }));
});
