import assert from "node:assert/strict";
import fc from "fast-check";
import { parseDateTime } from "./date_time.ts";

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);

Deno.test("parseDateTime: reads what RFC 5322 §3.3 and §4.3 allow, and what programs write", () => {
  for (
    const text of [
      "Fri, 02 Jan 2026 03:04:05 +0000",
      "2 Jan 2026 03:04:05 GMT",
      "Fri, 2 Jan 26 05:04:05 +0200 (CEST)",
      "Thu, 1 Jan 2026 22:04:05 EST",
      " Friday, 02 January 2026 3:04:05 +0000",
    ]
  ) assert.equal(parseDateTime(text)?.atMs, AT, text);
  assert.equal(parseDateTime("Fri, 02 Jan 2026 03:04 +0000")?.atMs, AT - 5_000);
  assert.equal(parseDateTime("1 Jan 99 00:00:00 +0000")?.atMs, Date.UTC(1999, 0, 1));
});

Deno.test("parseDateTime: tells zones that do not exist", () => {
  const isReal = (zone: string) => parseDateTime(`2 Jan 2026 03:04:05 ${zone}`)?.isZoneReal;
  for (const zone of ["+0000", "-0330", "+0545", "+1400", "-1200", "PST", "UT"]) {
    assert.equal(isReal(zone), true, zone);
  }
  for (const zone of ["-1600", "+1900", "+0099", "+0007", "XYZ", ""]) {
    assert.equal(isReal(zone), false, zone);
  }
});

Deno.test("parseDateTime: null for what is no date, whatever it is", () => {
  for (const text of ["", "yesterday", "32 Jan 2026 03:04:05 +0000", "2 Foo 2026 03:04:05 +0000"]) {
    assert.equal(parseDateTime(text), null, text);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    const date = parseDateTime(text);
    assert.ok(date === null || Number.isFinite(date.atMs));
  }));
});
