import assert from "node:assert/strict";
import fc from "fast-check";
import { formatJunkRecord, parseJunkRecord } from "./junk_record.ts";

const FINGERPRINT = "0123456789abcdef0123456789abcdef";

Deno.test("parseJunkRecord: reads what formatJunkRecord writes", () => {
  const record = {
    lookedAtMs: 1_767_323_045_678,
    seen: [{ name: '1.a"\n,S=5', fingerprint: FINGERPRINT, sizeOctets: 5 }],
    movedOut: ["2.b"],
  };
  assert.deepEqual(parseJunkRecord(formatJunkRecord(record)), record);
});

Deno.test("parseJunkRecord: anything else is no record", () => {
  const good = { form: 1, lookedAtMs: 1, seen: [["a", FINGERPRINT, 1]], movedOut: [] };
  assert.notEqual(parseJunkRecord(JSON.stringify(good)), null);
  const changes = [
    { form: 2 },
    { lookedAtMs: "1" },
    { seen: {} },
    { movedOut: undefined },
    { movedOut: [1] },
    { seen: ["a"] },
    { seen: [["a", "b", 1]] },
    { seen: [["a", FINGERPRINT]] },
    { seen: [[1, FINGERPRINT, 1]] },
  ];
  for (const change of changes) {
    assert.equal(
      parseJunkRecord(JSON.stringify({ ...good, ...change })),
      null,
      JSON.stringify(change),
    );
  }
  fc.assert(fc.property(fc.string(), (text) => assert.equal(parseJunkRecord(text), null)));
  fc.assert(fc.property(fc.json(), (text) => assert.equal(parseJunkRecord(text), null)));
});
