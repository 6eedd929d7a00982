import assert from "node:assert/strict";
import fc from "fast-check";
import { formatSize, parseSize } from "./size.ts";

Deno.test("parseSize: reads octets, units of 1024 in either case, and fractions", () => {
  assert.equal(parseSize("500M"), 500 * 1024 ** 2);
  assert.equal(parseSize("2g"), 2 * 1024 ** 3);
  assert.equal(parseSize("1.5 GiB"), 1.5 * 1024 ** 3);
  assert.equal(parseSize("10kb"), 10 * 1024);
  assert.equal(parseSize("1000"), 1000);
});

Deno.test("parseSize: what is no size, nothing, or beyond counting is null", () => {
  for (const text of ["", "0", "0.1", "-1", "M", "2X", "1e9", "1,5G", "2 GG", "99999999999T"]) {
    assert.equal(parseSize(text), null, text);
  }
});

Deno.test("parseSize: never throws; reads back what formatSize writes", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseSize(text)));
  fc.assert(fc.property(fc.integer({ min: 1, max: 999_999_999_999 }), (octets) => {
    assert.equal(parseSize(formatSize(octets)), octets);
  }));
  assert.equal(formatSize(1536 * 1024 ** 2), "1536M");
});
