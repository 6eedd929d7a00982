import assert from "node:assert/strict";
import fc from "fast-check";
import { parseEnvFile } from "./env_file.ts";

Deno.test("parseEnvFile: plain, exported, quoted and commented values", () => {
  const text = [
    "# a comment",
    "",
    "PLAIN=one two # a comment",
    "  export SPACED = padded  ",
    "EMPTY=",
    "COMMENTED= # nothing here",
    "HASH=pa#ss",
    "SINGLE='a \\n # b' # c",
    'DOUBLE="a\\tb \\"c\\" \\\\ #d"',
    "TWICE=1",
    "TWICE=2",
  ].join("\r\n");
  const { variables, mistakes } = parseEnvFile("\uFEFF" + text);
  assert.deepEqual({ ...variables }, {
    PLAIN: "one two",
    SPACED: "padded",
    EMPTY: "",
    COMMENTED: "",
    HASH: "pa#ss",
    SINGLE: "a \\n # b",
    DOUBLE: 'a\tb "c" \\ #d',
    TWICE: "2",
  });
  assert.deepEqual(mistakes, []);
});

Deno.test("parseEnvFile: names the lines that are no assignment, without their values", () => {
  const { variables, mistakes } = parseEnvFile('GOOD=1\nhunter2\nOPEN=\'hunter2\nTAIL="a"b\n');
  assert.deepEqual({ ...variables }, { GOOD: "1" });
  assert.deepEqual(mistakes, [
    "line 2: expected NAME=value",
    "line 3: OPEN: expected the quote to end the value",
    "line 4: TAIL: expected the quote to end the value",
  ]);
});

Deno.test("parseEnvFile: no text throws", () => {
  const unit = fc.constantFrom("A", "=", "'", '"', "\\", "#", " ", "\r", "\n", "export ", "\uD800");
  fc.assert(fc.property(fc.string({ unit }), (text) => {
    parseEnvFile(text);
  }));
});

Deno.test("parseEnvFile: any one-line value survives double quotes", () => {
  const value = fc.string().filter((text) => !/[\r\n]/.test(text));
  fc.assert(fc.property(value, (text) => {
    const quoted = text.replace(/[\\"]/g, "\\$&");
    assert.equal(parseEnvFile(`NAME="${quoted}"`).variables.NAME, text);
  }));
});
