import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { parseAddressList } from "./address_list.ts";

function addresses(text: string): string[] | null {
  const list = parseAddressList(Buffer.from(text, "utf8"));
  if (list.kind === "fault") return null;
  return list.addresses.map(({ localPart, domain, displayName }) =>
    `${displayName}|${localPart}@${domain}`
  );
}

Deno.test("parseAddressList: reads what programs write (RFC 5322 §3.4)", () => {
  const read: [string, string[]][] = [
    [" ann@example.org", ["|ann@example.org"]],
    ["Ann <ann@example.org>", ["Ann|ann@example.org"]],
    ['"Ann, the \\"first\\"" <ann@Example.ORG>', ['Ann, the "first"|ann@example.org']],
    ["John Q. Public <j@x.test>", ["John Q. Public|j@x.test"]],
    ["=?utf-8?q?J=C3=BCrgen?= <j@x.test>", ["=?utf-8?q?J=C3=BCrgen?=|j@x.test"]],
    ["Jürgen <jürgen@bücher.example>", ["Jürgen|jürgen@xn--bcher-kva.example"]],
    ["ann@x.test (Ann (the first))", ["|ann@x.test"]],
    ["ann@x.test (Smith, \\(Ann\\) 🙂)", ["|ann@x.test"]],
    ["ann@BÜCHER.example", ["|ann@xn--bcher-kva.example"]],
    ["ann@bu\u0308cher.example", ["|ann@xn--bcher-kva.example"]],
    ["a@x.test,\r\n b@x.test", ["|a@x.test", "|b@x.test"]],
    ["Team: a@x.test, B <b@x.test>;", ["|a@x.test", "B|b@x.test"]],
    ["undisclosed-recipients:;", []],
    ['"a b"@x.test', ["|a b@x.test"]],
    ["<a.b@[192.0.2.1]>", ["|a.b@[192.0.2.1]"]],
    ["(c) a (c) @ (c) x.test (c)", ["|a@x.test"]],
  ];
  for (const [text, expected] of read) assert.deepEqual(addresses(text), expected, text);
});

Deno.test("parseAddressList: what two programs could read in two ways is a fault", () => {
  const faults = [
    "",
    " ",
    "Ann",
    "ann@",
    "@x.test",
    "<>",
    "a@x.test <b@x.test>",
    "<a@x.test> b@x.test",
    "a@x.test b@x.test",
    "<a@x.test> <b@x.test>",
    "a@x.test,",
    ",a@x.test",
    "a@x.test,,b@x.test",
    "<@r.test:a@x.test>",
    "a@b@x.test",
    "a b@x.test",
    "a. b@x.test",
    "a..b@x.test",
    ".a@x.test",
    "a@x .test",
    "a@x..test",
    "Ann <a@x.test",
    '"Ann <a@x.test>',
    "(Ann <a@x.test>",
    "Ann) <a@x.test>",
    "Team: a@x.test",
    "Team: Sub: a@x.test;;",
    "a@x.test\0",
    "a@x.test\r\nb@x.test",
    "a@x.test\nFrom: b@x.test",
    "a\\@x.test",
    "a@[x",
    "(\\\0) a@x.test",
    "(\\",
    '"a\u0085b" <a@x.test>',
    '"a+<b@y.test>"@x.test',
    '"a+x,b@y.test"@x.test',
    "a@x.test (<b@y.test>)",
    "(b@y.test) <a@x.test>",
    "(\\<b\\@y.test) a@x.test",
    "a+=?utf-8?q?b=40y.test=0A?=@x.test",
    "=?utf-8?q?b?=@x.test",
    "a@ex\u200bample.test",
    "a@ex\u00adample.test",
    "a@bücher。test",
    "a@ｘ.test",
    "(".repeat(40) + ")".repeat(40) + " a@x.test",
    `${"a".repeat(70_000)}@x.test`,
  ];
  for (const text of faults) assert.equal(addresses(text), null, JSON.stringify(text.slice(0, 60)));
  assert.equal(parseAddressList(Uint8Array.of(0xff, 0x40, 0x61)).kind, "fault");
});

Deno.test("parseAddressList: whatever is written comes back, no input throws or takes long", () => {
  const pieces = fc.constantFrom("a", "@", "<", ">", '"', "(", ")", ",", ";", ":", "\\", " ", ".");
  fc.assert(fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
    parseAddressList(Buffer.from(parts.join("")));
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    parseAddressList(octets);
  }));
  const local = fc.stringMatching(/^[a-z0-9!#$%&'*+/_~-]{1,20}(\.[a-z0-9]{1,9}){0,2}$/);
  const name = fc.string({ unit: "grapheme-ascii", maxLength: 40 });
  fc.assert(fc.property(local, name, (localPart, displayName) => {
    const quoted = `"${displayName.replace(/["\\]/g, "\\$&")}"`;
    const field = `${quoted} <${localPart}@x.test>,\r\n\t${quoted}<b@x.test>`;
    const expected = [`${displayName}|${localPart}@x.test`, `${displayName}|b@x.test`];
    assert.deepEqual(addresses(field), expected);
  }));
  const startedMs = performance.now();
  for (
    const text of [
      "(".repeat(60_000),
      "a,".repeat(30_000),
      '"\\'.repeat(20_000),
      "(a)".repeat(20_000),
      "(\\".repeat(30_000),
      "a=?b".repeat(15_000) + "@x.test",
      '"'.repeat(60_000),
      " ".repeat(60_000),
    ]
  ) {
    parseAddressList(Buffer.from(text));
  }
  assert.ok(performance.now() - startedMs < 1_000);
});
