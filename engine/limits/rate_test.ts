import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRate } from "./rate.ts";

Deno.test("parseRate: reads a count and a period", () => {
  assert.deepEqual(parseRate("100/1m"), { count: 100, periodMs: 60_000 });
  assert.deepEqual(parseRate("2/2s"), { count: 2, periodMs: 2_000 });
  assert.deepEqual(parseRate("7/h"), { count: 7, periodMs: 3_600_000 });
  assert.deepEqual(parseRate("1000000/31d"), { count: 1_000_000, periodMs: 31 * 86_400_000 });
});

Deno.test("parseRate: what is no rate is none", () => {
  const wrong = [
    ...["", "off", "100", "100/", "/1m", "100/1", "100/1w", "100/1M", "0/1m", "01/1m", "100/0m"],
    ...["100/01m", "1000001/1m", "9999999/1m", "1/32d", "1/10000s", "-1/1m", "1.5/1m", "1e3/1m"],
    ...[" 100/1m", "100/1m ", "100 / 1m", "100/1m\n", "100/1m/1m", "\u0661/1m"],
  ];
  for (const text of wrong) assert.equal(parseRate(text), null, JSON.stringify(text));
});

Deno.test("parseRate: no text throws, and what is read is within the bounds of meters", () => {
  const parts = fc.constantFrom("0", "1", "9", "000", "/", "s", "m", "h", "d", " ", "x");
  const text = fc.oneof(fc.string(), fc.array(parts, { maxLength: 9 }).map((all) => all.join("")));
  fc.assert(fc.property(text, (text) => {
    const rate = parseRate(text);
    if (rate === null) return;
    const { count, periodMs } = rate;
    assert.ok(Number.isInteger(count) && count >= 1 && count <= 1_000_000);
    assert.ok(Number.isInteger(periodMs) && periodMs >= 1_000 && periodMs <= 31 * 86_400_000);
  }));
});
