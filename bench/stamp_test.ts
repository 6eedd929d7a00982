import assert from "node:assert/strict";
import fc from "fast-check";
import { headerSectionOf, payloadOf, readStamp } from "./stamp.ts";

Deno.test("readStamp: reads back what headerSectionOf wrote, below other fields", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 4e12 }), (serial, sentAtMs) => {
      const head = `Received: from x\r\n\tby y; now\r\n${headerSectionOf({ sentAtMs, serial })}`;
      assert.deepEqual(readStamp(head), { sentAtMs, serial });
    }),
  );
});

Deno.test("readStamp: keeps the fraction of a millisecond", () => {
  const head = headerSectionOf({ sentAtMs: 1700000000000.125, serial: 0 });
  assert.equal(readStamp(head).sentAtMs, 1700000000000.125);
});

Deno.test("readStamp: a missing, malformed or cut-off field is null", () => {
  assert.deepEqual(readStamp("Subject: none\r\n\r\n"), { sentAtMs: null, serial: null });
  assert.equal(readStamp("X-Bench-Serial: twelve\r\n\r\n").serial, null);
  assert.equal(readStamp("X-Bench-Serial: \r\n\r\n").serial, null);
  assert.equal(readStamp("X-Bench-Serial: 12").serial, null);
});

Deno.test("payloadOf: has the size asked for, in lines that end in CRLF", () => {
  for (const size of [2, 77, 78, 2048, 102_400]) {
    const payload = payloadOf(size);
    assert.equal(payload.length, size);
    assert.ok(payload.endsWith("\r\n"));
    assert.ok(payload.split("\r\n").every((line) => line.length <= 76));
  }
});
