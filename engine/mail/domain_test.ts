import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import {
  displayDomain,
  formatAddressLiteral,
  isDomainName,
  normalizeDomain,
  normalizeDomainOrLiteral,
  parseAddressLiteral,
} from "./domain.ts";

Deno.test("normalizeDomain: one form for every spelling (RFC 6531 §3.3)", () => {
  const forms: [string, string][] = [
    ["Example.ORG", "example.org"],
    ["BÜCHER.example", "xn--bcher-kva.example"],
    ["bu\u0308cher.example", "xn--bcher-kva.example"],
    ["XN--BCHER-KVA.example", "xn--bcher-kva.example"],
    ["straße.de", "xn--strae-oqa.de"],
    ["my_host.example", "my_host.example"],
    ["localhost", "localhost"],
    ["1.2.3.example", "1.2.3.example"],
  ];
  for (const [written, expected] of forms) assert.equal(normalizeDomain(written), expected);
});

Deno.test("normalizeDomain: refuses what is no domain name (RFC 5321 §4.1.2)", () => {
  const long = "a".repeat(64);
  const texts = ["", ".", "a..b", ".a", "a.", "-a.b", "a-.b", "a.b-", "a b", "a/b", "a@b", "a\0b"];
  texts.push("[1.2.3.4]", `${long}.example`, `a.${long}`, "ü".repeat(60) + ".example");
  texts.push(`${"a.".repeat(128)}a`, "a\u200d.b", "ex\uff0fample.com", "\ud800.example");
  for (const text of texts) assert.equal(normalizeDomain(text), null, JSON.stringify(text));
  assert.equal(normalizeDomain("a".repeat(63) + ".example"), "a".repeat(63) + ".example");
});

Deno.test("displayDomain: shows U-labels only where they survive the way back", () => {
  assert.equal(displayDomain("xn--bcher-kva.example"), "bücher.example");
  assert.equal(displayDomain("xn--zzzzzz99.example"), "xn--zzzzzz99.example");
  assert.equal(displayDomain("example.org"), "example.org");
});

Deno.test("parseAddressLiteral: reads IPv4, IPv6 and general literals (RFC 5321 §4.1.3)", () => {
  assert.deepEqual(parseAddressLiteral("[192.0.2.1]"), { kind: "ip", address: "192.0.2.1" });
  assert.deepEqual(parseAddressLiteral("[ipv6:2001:DB8::1]"), {
    kind: "ip",
    address: "2001:db8::1",
  });
  assert.deepEqual(parseAddressLiteral("[x-y:z!]"), { kind: "general", tag: "x-y", content: "z!" });
  for (const text of ["[]", "[1.2.3]", "[2001:db8::1]x", "[IPv6:]", "[IPv6:1.2.3.4]", "[a:]"]) {
    assert.equal(parseAddressLiteral(text), null, text);
  }
});

Deno.test("normalizeDomainOrLiteral: literals of one address agree", () => {
  const expected = formatAddressLiteral("2001:db8::1");
  assert.equal(expected, "[IPv6:2001:db8::1]");
  assert.equal(normalizeDomainOrLiteral("[IPV6:2001:0db8:0:0:0:0:0:1]"), expected);
  assert.equal(normalizeDomainOrLiteral("[IPv6:::ffff:192.0.2.1]"), "[192.0.2.1]");
});

Deno.test("normalizeDomain: never throws, and its answers are their own normal form", () => {
  const text = fc.oneof(
    anyText({ maxLength: 80 }),
    fc.string({ unit: fc.constantFrom(..."aB.-_üß[]:xn1\u3002"), maxLength: 300 }),
    fc.domain(),
  );
  fc.assert(fc.property(text, (written) => {
    const domain = normalizeDomain(written);
    if (domain === null) return;
    assert.ok(isDomainName(domain));
    assert.equal(normalizeDomain(domain), domain);
    assert.equal(normalizeDomain(displayDomain(domain)), domain);
  }));
});
