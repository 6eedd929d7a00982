import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../../tests/fixtures/any_text.ts";
import { deliveryId, type QueueId } from "../../mail/queue_id.ts";
import { copyName, decodeSegment, encodeSegment } from "./maildir_name.ts";

Deno.test("encodeSegment: leaves plain names readable and disarms the others", () => {
  const forms: [string, string][] = [
    ["ann", "ann"],
    ["Ann.B+tag=1_x-y", "Ann.B+tag=1_x-y"],
    ["example.org", "example.org"],
    ["..", "%2E."],
    [".hidden", "%2Ehidden"],
    ["-rf", "%2Drf"],
    ["a/../b", "a%2F..%2Fb"],
    ["a\0b", "a%00b"],
    ["100%", "100%25"],
    ["дима", "%D0%B4%D0%B8%D0%BC%D0%B0"],
    ["[IPv6:::1]", "%5BIPv6%3A%3A%3A1%5D"],
    ["", "%"],
  ];
  for (const [text, segment] of forms) {
    assert.equal(encodeSegment(text), segment);
    assert.equal(decodeSegment(segment), text);
  }
});

Deno.test("encodeSegment: the longest local part and domain fit, longer names have no segment", () => {
  assert.ok(encodeSegment("/".repeat(64)) !== null);
  assert.ok(encodeSegment("a".repeat(255)) !== null);
  assert.equal(encodeSegment("a".repeat(256)), null);
  assert.equal(encodeSegment("/".repeat(86)), null);
  assert.equal(encodeSegment("/".repeat(100_000)), null);
  assert.equal(encodeSegment("\ud800"), null);
});

Deno.test("decodeSegment: takes only what encodeSegment makes", () => {
  for (const segment of ["", ".", "..", "a%2fb", "%61", "%2E%2E", "a b", "%D0", "%zz"]) {
    assert.equal(decodeSegment(segment), null, segment);
  }
});

Deno.test("encodeSegment: any text becomes one safe segment, and comes back", () => {
  const text = fc.oneof(
    anyText({ maxLength: 40 }),
    fc.string({ unit: fc.constantFrom(..."./%\0-\\é a"), maxLength: 20 }),
  );
  fc.assert(fc.property(text, (name) => {
    const segment = encodeSegment(name);
    if (segment === null) return assert.ok(name.length > 20 || !name.isWellFormed());
    assert.match(segment, /^[A-Za-z0-9_+=%][A-Za-z0-9_+=%.-]*$/);
    assert.ok(segment.length <= 255);
    assert.equal(decodeSegment(segment), name);
  }));
});

Deno.test("copyName: is the delivery's own, whatever the attempt", () => {
  const id = deliveryId("01J0000000000" as QueueId, 12);
  const facts = { queuedAtMs: 1_767_323_045_678, sizeOctets: 2048 };
  assert.equal(copyName(id, facts), "1767323045.01J0000000000_12.sluice,S=2048");
});
