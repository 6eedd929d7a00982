import assert from "node:assert/strict";
import fc from "fast-check";
import { type DnsList, fitsPattern, parseDnsLists } from "./dns_list_zones.ts";

function listsOf(text: string): readonly DnsList[] {
  const result = parseDnsLists(text);
  assert.ok(result.kind === "lists", JSON.stringify(result));
  return result.lists;
}

Deno.test("parseDnsLists: zones, patterns and weights; entries of one zone come together", () => {
  const lists = listsOf(
    "zen.spamhaus.org=127.0.0.[2..11]*3, list.dnswl.org=127.0.[0..255].[1..3]*-2\n" +
      " Bl.Example*+5,zen.spamhaus.ORG=127.0.0.[1;4;8]",
  );
  assert.deepEqual(lists.map(({ zone }) => zone), [
    "zen.spamhaus.org",
    "list.dnswl.org",
    "bl.example",
  ]);
  assert.deepEqual(lists[0].entries.map(({ weight }) => weight), [3, 1]);
  assert.deepEqual(lists[1].entries[0].pattern, [
    [{ least: 127, most: 127 }],
    [{ least: 0, most: 0 }],
    [{ least: 0, most: 255 }],
    [{ least: 1, most: 3 }],
  ]);
  assert.deepEqual(lists[2].entries, [{ pattern: null, weight: 5 }]);
  assert.deepEqual(listsOf(" , "), []);
});

Deno.test("fitsPattern: numbers, lists and ranges, each octet for itself", () => {
  const [{ entries: [{ pattern }] }] = listsOf("bl.example=127.0.[0;2..3].[1;4;8..9]");
  assert.ok(pattern !== null);
  const fitting = ["127.0.0.1", "127.0.2.4", "127.0.3.9"];
  const other = ["127.0.1.1", "127.0.0.2", "127.1.0.1", "126.0.0.1", "127.0.4.8", "127.0.0"];
  assert.deepEqual([...fitting, ...other].filter((value) => fitsPattern(value, pattern)), fitting);
});

for (
  const [entry, reason] of [
    ["bl", /no name/],
    ["bl..example", /no name/],
    [`${"a".repeat(60)}.`.repeat(3) + "example.org", /no name/],
    ["bl.example*", /weight/],
    ["bl.example*1001", /weight/],
    ["bl.example*1.5", /weight/],
    ["bl.example=", /pattern/],
    ["bl.example=127.0.0", /pattern/],
    ["bl.example=127.0.0.1.", /pattern/],
    ["bl.example=127.0.0.256", /pattern/],
    ["bl.example=127.0.0.[4..2]", /pattern/],
    ["bl.example=127.0.0.[]", /pattern/],
    ["bl.example=127.0.0.[1;;2]", /pattern/],
    ["bl.example=127.0.0.[1..2..3]", /pattern/],
    ["bl.example=127.0.0.[1", /pattern/],
    ["bl.example=10.0.0.1", /127/],
  ] as const
) {
  Deno.test(`parseDnsLists: ${entry.slice(0, 40)} is a fault`, () => {
    const result = parseDnsLists(`good.example, ${entry}`);
    assert.ok(result.kind === "fault");
    assert.equal(result.entry, entry);
    assert.match(result.reason, reason);
  });
}

Deno.test("parseDnsLists: zones are bounded", () => {
  const zones = (count: number) =>
    Array.from({ length: count }, (_, at) => `bl${at}.example`).join(",");
  assert.equal(listsOf(zones(30)).length, 30);
  assert.equal(parseDnsLists(zones(31)).kind, "fault");
  assert.equal(parseDnsLists("bl.example,".repeat(201)).kind, "fault");
});

Deno.test("parseDnsLists: no text throws", () => {
  const piece = fc.constantFrom("127", ".", "..", "[", "]", ";", "*", "=", "-", "bl.example", ",");
  fc.assert(fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 30 }), (pieces) => {
    const result = parseDnsLists(pieces.join(""));
    if (result.kind === "fault") return;
    for (const { entries } of result.lists) {
      for (const { pattern } of entries) if (pattern !== null) fitsPattern("127.0.0.2", pattern);
    }
  }));
});
