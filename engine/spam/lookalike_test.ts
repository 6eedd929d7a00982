import assert from "node:assert/strict";
import { domainToASCII } from "node:url";
import fc from "fast-check";
import { mixesScripts, NameWatch, siteOf, skeletonOf } from "./lookalike.ts";

const watch = new NameWatch(["example-bank.com", "paypal.com", "dept.university.edu", "ab.org"]);

function likeness(domain: string): number {
  return watch.lookalikeOf(siteOf(domainToASCII(domain)))?.likeness ?? 0;
}

Deno.test("NameWatch: finds what looks the same", () => {
  for (const domain of ["paypa1.com", "раураl.com", "pаypal.net", "paypaI.com", "pаypal.co.uk"]) {
    assert.equal(likeness(domain), 1, domain);
  }
  assert.equal(watch.lookalikeOf("exarnple-bank.com")?.domain, "example-bank.com");
});

Deno.test("NameWatch: a letter more, less, other or changed over is half as much", () => {
  for (
    const domain of ["paypall.com", "exampl-bank.com", "paypol.com", "papyal.com", "xpaypal.com"]
  ) {
    assert.equal(likeness(domain), 0.5, domain);
  }
});

Deno.test("NameWatch: the domains themselves, their own under another suffix, and others are no likeness", () => {
  for (
    const domain of [
      "paypal.com",
      "www.paypal.com",
      "paypal.de",
      "payment.com",
      "example.com",
      "ba.org",
      "ax.org",
    ]
  ) {
    assert.equal(likeness(domain), 0, domain);
  }
  assert.equal(new NameWatch([]).lookalikeOf("paypal.com"), null);
});

Deno.test("NameWatch: has a domain and what is below it, not what is beside it", () => {
  assert.ok(watch.has("paypal.com"));
  assert.ok(watch.has("mail.paypal.com"));
  assert.ok(watch.has("x.dept.university.edu"));
  assert.ok(!watch.has("other.university.edu"));
  assert.ok(!watch.has("notpaypal.com"));
  assert.ok(!watch.has(""));
  assert.ok(!new NameWatch([]).has("paypal.com"));
});

Deno.test("NameWatch: any name is answered", () => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (name) => {
    watch.lookalikeOf(name);
    watch.has(name);
  }));
});

Deno.test("skeletonOf: the same for Latin, Cyrillic and digits that look alike", () => {
  assert.equal(skeletonOf("Раураl"), skeletonOf("paypal"));
  assert.equal(skeletonOf("g00gle"), skeletonOf("google"));
  assert.equal(skeletonOf("modern"), skeletonOf("modem"));
  assert.notEqual(skeletonOf("paypal"), skeletonOf("payday"));
});

Deno.test("mixesScripts: within a word only, and not with digits", () => {
  assert.ok(mixesScripts("pаypal"));
  assert.ok(mixesScripts("αbc"));
  assert.ok(!mixesScripts("paypal2"));
  assert.ok(!mixesScripts("привет"));
  assert.ok(!mixesScripts("日本"));
});
