import assert from "node:assert/strict";
import fc from "fast-check";
import type { QueueId } from "../mail/queue_id.ts";
import { BodyCache } from "./body_cache.ts";

const LIMIT = 100;
const id = (n: number) => `000000000000${n}` as QueueId;

Deno.test("BodyCache: gives each body once, and the oldest way to the newest", () => {
  const cache = new BodyCache(LIMIT);
  for (const n of [1, 2, 3]) cache.put(id(n), new Uint8Array(40).fill(n));
  assert.equal(cache.take(id(1)), undefined);
  assert.equal(cache.take(id(2))?.[0], 2);
  assert.equal(cache.take(id(2)), undefined);
  assert.equal(cache.octets, 40);
});

Deno.test("BodyCache: counts what it holds, whatever is put and taken, and holds no more than its limit", () => {
  const step = fc.record({ isPut: fc.boolean(), n: fc.nat(9), size: fc.nat(LIMIT + 20) });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const cache = new BodyCache(LIMIT);
    for (const { isPut, n, size } of steps) {
      if (isPut) cache.put(id(n), new Uint8Array(size));
      else cache.take(id(n));
      assert.ok(cache.octets <= LIMIT);
    }
    let rest = 0;
    for (let n = 0; n < 10; n++) rest += cache.take(id(n))?.length ?? 0;
    assert.ok(rest <= LIMIT);
    assert.equal(cache.octets, 0);
  }));
});

Deno.test("BodyCache: a body in a larger buffer takes the room of the buffer", () => {
  const cache = new BodyCache(LIMIT);
  cache.put(id(1), new Uint8Array(90).subarray(0, 10));
  assert.equal(cache.octets, 90);
  cache.put(id(2), new Uint8Array(200).subarray(0, 10));
  assert.equal(cache.octets, 90);
});
