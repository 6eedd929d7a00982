import assert from "node:assert/strict";
import fc from "fast-check";
import {
  deliveryId,
  GENERATORS,
  parseQueueId,
  QUEUE_EPOCH_MS,
  type QueueId,
  queueIdFromDecimal,
  queueIdGenerator,
  queueIdMs,
  queueIdToDecimal,
  splitDeliveryId,
} from "./queue_id.ts";

const DIGITS = new Uint8Array(128);
[..."0123456789ABCDEFGHJKMNPQRSTVWXYZ"].forEach((digit, n) => DIGITS[digit.charCodeAt(0)] = n);

/** The id's 63 bits, as two words. */
function words(id: string): [high: number, low: number] {
  let front = 0;
  for (let at = 0; at < 8; at++) front = front * 32 + DIGITS[id.charCodeAt(at)];
  let back = 0;
  for (let at = 8; at < 13; at++) back = back * 32 + DIGITS[id.charCodeAt(at)];
  return [Math.floor(front / 128), (front % 128) * 2 ** 25 + back];
}

Deno.test("queueIdGenerator: five million ids of several generators rise one by one and never repeat, though the clock steps back", () => {
  const perGenerator = 1_000_000;
  const generators = [0, 1, 2, 1023, GENERATORS - 1];
  let nowMs = QUEUE_EPOCH_MS + 1_000_000;
  const next = generators.map((generator) => queueIdGenerator({ generator, now: () => nowMs }));
  const last = generators.map(() => "");
  const ids = new BigUint64Array(perGenerator * generators.length);
  const halves = new Uint32Array(ids.buffer);
  let count = 0;
  for (let round = 0; round < perGenerator; round++) {
    // Sometimes many within a millisecond, sometimes a step back of up to a second.
    if (round % 700 === 0) nowMs += round % 4900 === 0 ? -1000 : round % 2100 === 0 ? 0 : 450;
    for (let n = 0; n < next.length; n++) {
      const id = next[n]();
      if (id <= last[n]) assert.fail(`${id} behind ${last[n]}`);
      last[n] = id;
      const [high, low] = words(id);
      halves[2 * count] = low;
      halves[2 * count + 1] = high;
      count++;
    }
  }
  ids.sort();
  for (let at = 1; at < count; at++) {
    if (ids[at] === ids[at - 1]) assert.fail(`${queueIdFromDecimal(ids[at])} twice`);
  }
  assert.equal(count, 5_000_000);
});

Deno.test("queueIdGenerator: ids of different milliseconds order by time, whoever made them", () => {
  const generator = fc.nat(GENERATORS - 1);
  const ms = fc.integer({ min: QUEUE_EPOCH_MS, max: QUEUE_EPOCH_MS + 2 ** 41 - 2 });
  fc.assert(fc.property(generator, generator, ms, ms, (one, other, oneMs, otherMs) => {
    fc.pre(oneMs !== otherMs);
    const a = queueIdGenerator({ generator: one, now: () => oneMs })();
    const b = queueIdGenerator({ generator: other, now: () => otherMs })();
    assert.equal(a < b, oneMs < otherMs);
    assert.equal(queueIdMs(a), oneMs);
    assert.equal(BigInt(queueIdToDecimal(a)) < BigInt(queueIdToDecimal(b)), oneMs < otherMs);
  }));
});

Deno.test("queueIdGenerator: goes into the next millisecond when one is used up, and takes generators modulo", () => {
  const nowMs = QUEUE_EPOCH_MS + 5;
  const next = queueIdGenerator({ generator: GENERATORS + 3, now: () => nowMs });
  const ids = Array.from({ length: 1025 }, next);
  assert.equal(queueIdMs(ids[1023]), nowMs);
  assert.equal(queueIdMs(ids[1024]), nowMs + 1);
  assert.equal(ids[0], queueIdGenerator({ generator: 3, now: () => nowMs })());
});

Deno.test("queueIdToDecimal: text and decimal are one, and fit a signed bigint", () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 63n - 1n), (value) => {
    const id = queueIdFromDecimal(value);
    assert.equal(queueIdToDecimal(id), value.toString());
    assert.equal(queueIdFromDecimal(value.toString()), id);
    assert.equal(parseQueueId(id), id);
  }));
  assert.equal(queueIdFromDecimal(2n ** 63n - 1n), "7ZZZZZZZZZZZZ");
});

Deno.test("parseQueueId: takes what a person types, and nothing else", () => {
  assert.equal(parseQueueId(" 0am8kt8qw0100\n"), "0AM8KT8QW0100");
  const others = [
    "",
    "0AM8KT8QW010",
    "0AM8KT8QW01000",
    "8AM8KT8QW0100",
    "0AM8KT8QW010I",
    "O".repeat(13),
  ];
  for (const text of others) assert.equal(parseQueueId(text), null, text);
});

Deno.test("splitDeliveryId: gives back what deliveryId joined", () => {
  const message = "0AM8KT8QW0100" as QueueId;
  for (const recipient of [0, 7, 99_999]) {
    assert.deepEqual(splitDeliveryId(deliveryId(message, recipient)), { message, recipient });
  }
});
