import assert from "node:assert/strict";
import { columns, sheet, time } from "./layout.ts";

Deno.test("sheet: names stand in one column, further lines of a value below it", () => {
  assert.equal(
    sheet("example.org", [["plus", "on"], ["when full", ["defer", "452"]]]),
    "example.org\n  plus       on\n  when full  defer\n             452",
  );
});

Deno.test("columns: aligns rows of different length and leaves no space behind", () => {
  assert.equal(columns([["a", "long", "x"], ["bbb", ""], ["c"]]), "a    long  x\nbbb\nc");
  assert.equal(columns([]), "");
});

Deno.test("time: is to the second, in UTC", () => {
  assert.equal(time(0), "1970-01-01T00:00:00Z");
});
