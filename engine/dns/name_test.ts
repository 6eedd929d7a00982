import assert from "node:assert/strict";
import fc from "fast-check";
import { canonicalAddress, canonicalName, reverseName } from "./name.ts";

Deno.test("canonicalName: case and trailing dot do not matter (RFC 1035 §2.3.3)", () => {
  assert.equal(canonicalName("Mail.Example.ORG."), "mail.example.org");
  assert.equal(canonicalName("_25._tcp.mx.example"), "_25._tcp.mx.example");
  assert.equal(canonicalName("."), ".");
  // Macros of SPF may name such (RFC 7208 §7.1); written as `readName` does, so that owners are told by it.
  assert.equal(canonicalName("A b.example"), "a\\032b.example");
});

Deno.test("canonicalName: what no query can carry is null (RFC 1035 §2.3.4)", () => {
  const label63 = "a".repeat(63);
  const name253 = `${label63}.${label63}.${label63}.${"a".repeat(61)}`;
  assert.equal(canonicalName(name253), name253);
  assert.equal(canonicalName(`${name253}.`), name253);
  for (
    const name of [
      "",
      "..",
      "a..b",
      ".a",
      `${label63}a.b`,
      `a${name253}`,
      "a\tb",
      "ü.example",
      "a\\.b",
    ]
  ) {
    assert.equal(canonicalName(name), null, JSON.stringify(name));
  }
});

Deno.test("reverseName: examples of RFC 1035 §3.5 and RFC 3596 §2.5", () => {
  assert.equal(reverseName("10.2.0.52"), "52.0.2.10.in-addr.arpa");
  assert.equal(
    reverseName("4321:0:1:2:3:4:567:89ab"),
    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
  );
  assert.equal(reverseName("::"), `${"0.".repeat(32)}ip6.arpa`);
  assert.equal(reverseName("::1"), `1.${"0.".repeat(31)}ip6.arpa`);
  assert.equal(reverseName("fe80::"), `${"0.".repeat(28)}0.8.e.f.ip6.arpa`);
  assert.equal(reverseName("mx.example"), null);
});

Deno.test("reverseName: every IPv6 address has 32 digits, in reverse", () => {
  fc.assert(fc.property(fc.ipV6(), (address) => {
    const name = reverseName(address);
    assert.ok(name !== null);
    const digits = name.replace(/\.ip6\.arpa$/, "").split(".").reverse().join("");
    assert.match(digits, /^[0-9a-f]{32}$/);
    const groups = digits.match(/.{4}/g)?.join(":") ?? "";
    assert.equal(canonicalAddress(groups), canonicalAddress(address));
  }));
});

Deno.test("canonicalAddress: one form for each address, none for anything else", () => {
  assert.equal(canonicalAddress("2001:DB8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");
  assert.equal(canonicalAddress("192.0.2.1"), "192.0.2.1");
  for (const text of ["", "fe80::1%eth0", "[::1]", "192.0.2", "192.0.2.256", "localhost"]) {
    assert.equal(canonicalAddress(text), null, text);
  }
});
