import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { decodeXtext, encodeXtext, parseParameters } from "./parameters.ts";

function read(text: string): unknown {
  const result = parseParameters(text);
  return result.kind === "fault" ? result.fault : Object.fromEntries(result.parameters);
}

Deno.test("parseParameters: reads keywords in any case, with and without values (RFC 5321 §4.1.2)", () => {
  assert.deepEqual(read(""), {});
  assert.deepEqual(read("  size=100 Body=8BITMIME  SMTPUTF8 "), {
    SIZE: "100",
    BODY: "8BITMIME",
    SMTPUTF8: true,
  });
  assert.deepEqual(read(" ORCPT=utf-8;дима@example.org"), { ORCPT: "utf-8;дима@example.org" });
});

Deno.test("parseParameters: names the fault", () => {
  for (const text of ["SIZE=1", " =1", " SIZE=", " A=b=c", " -A", " A\tB", " A=\u0001", " ü=1"]) {
    assert.equal(read(text), "parameter_syntax", JSON.stringify(text));
  }
  assert.equal(read(" SIZE=1 size=2"), "duplicate_parameter");
  assert.equal(read(" __proto__"), "parameter_syntax");
});

Deno.test("decodeXtext: decodes what RFC 3461 §4 encodes, and nothing else", () => {
  assert.equal(decodeXtext("rfc822;a+2Bb@x+3Dy"), "rfc822;a+b@x=y");
  assert.equal(decodeXtext("+C3+A9"), "é");
  for (const text of ["a+2", "a+2b", "a b", "a=b", "+", "é", "+C3"]) {
    assert.equal(decodeXtext(text), null, text);
  }
});

Deno.test("encodeXtext: decodeXtext takes it back, as one esmtp-value", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (text) => {
    const encoded = encodeXtext(text.toWellFormed());
    assert.equal(decodeXtext(encoded), text.toWellFormed());
    assert.deepEqual(read(` ENVID=${encoded}`), { ENVID: encoded });
  }));
});

Deno.test("parseParameters: no input throws", () => {
  fc.assert(fc.property(anyText(), (text) => {
    parseParameters(" " + text);
    decodeXtext(text);
  }));
});
