import assert from "node:assert/strict";
import { ExpiringMap } from "./expiring_map.ts";

Deno.test("ExpiringMap: forgets after the time given, not before", () => {
  let nowMs = 0;
  const map = new ExpiringMap<string>(10, () => nowMs);
  map.set("a", "1", 100);
  nowMs = 99;
  assert.equal(map.get("a"), "1");
  nowMs = 100;
  assert.equal(map.get("a"), undefined);
  assert.equal(map.get("b"), undefined);
});

Deno.test("ExpiringMap: at its bound the longest there goes, and setting again renews", () => {
  const map = new ExpiringMap<number>(2, () => 0);
  for (const key of ["a", "b", "a", "c"]) map.set(key, 1, 100);
  assert.deepEqual(["a", "b", "c"].map((key) => map.get(key)), [1, undefined, 1]);
});
