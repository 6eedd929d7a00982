import assert from "node:assert/strict";
import fc from "fast-check";
import { hostOf, LinkCollector } from "./links.ts";

const BOUNDS = { maxLinks: 5, maxUrlCharacters: 100 };

Deno.test("hostOf: the host a browser goes to, however it is written", () => {
  const hosts = {
    "http://www.Example.COM/x": "www.example.com",
    "https://example.com": "example.com",
    "https://example.com.?x": "example.com",
    "http://paypal.com@evil.example/": "evil.example",
    "http://paypal.com:80@evil.example:8080/a@b": "evil.example",
    "http:\\\\evil.example\\@good.example": "evil.example",
    "http:evil.example/": "evil.example",
    "HTTPS:///evil.example#x": "evil.example",
    "//evil.example/x": "evil.example",
    "ftp://evil.example/x": "evil.example",
    "http://ev%69l.example/": "evil.example",
    "http://evil。example/": "evil.example",
    "http://例え.example/": "xn--r8jz45g.example",
    "http://a_b.example/": "a_b.example",
    "http://2130706433/": "127.0.0.1",
    "http://0x7f.1/": "127.0.0.1",
    "http://0177.0.0.01:99/": "127.0.0.1",
    "http://[2001:DB8::1]/": "2001:db8::1",
  };
  for (const [url, host] of Object.entries(hosts)) assert.equal(hostOf(url), host, url);
});

Deno.test("hostOf: what leads to no site has none", () => {
  const urls = [
    "",
    "mailto:a@b.example",
    "cid:x@y.z",
    "/path",
    "x.html",
    "#a",
    "javascript://a.example/",
    "http://",
  ];
  for (
    const url of [
      ...urls,
      "http://intranet/",
      "http://a..b/",
      "http://1.2.3.256/",
      "http://a b.example/",
    ]
  ) {
    assert.equal(hostOf(url), null, url);
  }
});

Deno.test("LinkCollector: keeps each once, with the text that is shown for it", () => {
  const collector = new LinkCollector(BOUNDS);
  collector.addFromText(
    "(see http://a.example/x_(y)!) and WWW.b.example, www.b.example; http://a.example/x_(y",
  );
  collector.add(" http://a.example/x_(y", "A");
  collector.add("http://a.example/x_(y", "");
  collector.add("http://a.example/x_(y", "A");
  collector.add("http://a.example/x_(y", "B");
  assert.deepEqual(collector.links.map(({ url, shown }) => [url, shown]), [
    ["http://a.example/x_(y", "A"],
    ["http://WWW.b.example", null],
    ["http://www.b.example", null],
    ["http://a.example/x_(y", "B"],
  ]);
  assert.equal(collector.isCut, false);
});

Deno.test("LinkCollector: takes out what a browser takes out", () => {
  const collector = new LinkCollector(BOUNDS);
  collector.add("\x01 ht\ntp://a.exa\tmple/", "");
  assert.equal(collector.links[0].host, "a.example");
});

Deno.test("LinkCollector: bounds links, URLs, shown text and tries", () => {
  const collector = new LinkCollector(BOUNDS);
  collector.add(`http://a.example/${"x".repeat(500)}`, "s".repeat(5_000));
  assert.equal(collector.links[0].url.length, 100);
  assert.equal(collector.links[0].shown!.length, 200);
  for (let n = 0; n < 10; n++) collector.add(`http://a.example/${n}`, null);
  assert.deepEqual([collector.links.length, collector.isCut], [5, true]);
  const tired = new LinkCollector(BOUNDS);
  for (let n = 0; n < 100; n++) tired.add(`http://${n}..x/`, null);
  tired.add("http://a.example/", null);
  assert.deepEqual([tired.links.length, tired.isCut], [0, true]);
});

Deno.test("LinkCollector: any text gives links with hosts, within bounds", () => {
  const piece = fc.constantFrom(
    "http://",
    "https://",
    "www.",
    "a.example",
    "/",
    "@",
    ":",
    "\\",
    "%",
    "[",
    " ",
    "é",
    "\ud800",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
    const collector = new LinkCollector(BOUNDS);
    collector.addFromText(pieces.join(""));
    collector.add(pieces.join(""), "");
    for (const { url, host } of collector.links) {
      assert.ok(url.length <= 107 && /^[a-z0-9.:_-]+$/.test(host) && url.isWellFormed());
    }
  }));
});
