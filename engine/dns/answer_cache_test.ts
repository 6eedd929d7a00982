import assert from "node:assert/strict";
import { AnswerCache } from "./answer_cache.ts";
import type { DnsAnswer } from "./resolver.ts";

const NODATA: DnsAnswer<string> = { kind: "nodata" };
const FOUND: DnsAnswer<string> = {
  kind: "found",
  records: ["192.0.2.1"],
  ttlS: 60,
  authenticated: true,
};

function put(cache: AnswerCache, key: string, changes: Partial<Parameters<AnswerCache["put"]>[1]>) {
  cache.put(key, { answer: NODATA, ttlS: 60, octets: 100, nowMs: 0, ...changes });
}

Deno.test("AnswerCache: an answer lives as long as its TTL and tells what is left of it", () => {
  const cache = new AnswerCache({ maxEntries: 10 });
  put(cache, "k", { answer: FOUND });
  assert.deepEqual(cache.get("k", 0), FOUND);
  assert.deepEqual(cache.get("k", 59_001), { ...FOUND, ttlS: 1 });
  assert.equal(cache.get("k", 60_000), null);
});

Deno.test("AnswerCache: no answer outlives an hour, no failure two seconds", () => {
  const cache = new AnswerCache({ maxEntries: 10 });
  put(cache, "long", { ttlS: 86_400 });
  assert.deepEqual(cache.get("long", 3_599_999), NODATA);
  assert.equal(cache.get("long", 3_600_000), null);
  put(cache, "failed", { answer: { kind: "tempfail", reason: "servfail" }, ttlS: 86_400 });
  assert.equal(cache.get("failed", 1999)?.kind, "tempfail");
  assert.equal(cache.get("failed", 2000), null);
});

Deno.test("AnswerCache: what has no TTL or is large is not kept, nor what it replaces", () => {
  const cache = new AnswerCache({ maxEntries: 10 });
  for (const changes of [{ ttlS: 0 }, { octets: 8193 }]) {
    put(cache, "k", {});
    put(cache, "k", changes);
    assert.equal(cache.get("k", 0), null);
  }
});

Deno.test("AnswerCache: holds no more than its bound and drops what is not asked for", () => {
  const cache = new AnswerCache({ maxEntries: 100 });
  put(cache, "busy", {});
  for (let i = 0; i < 1000; i++) {
    put(cache, `k${i}`, {});
    assert.notEqual(cache.get("busy", 0), null);
    assert.ok(cache.size <= 100);
  }
  assert.equal(cache.get("k0", 0), null);
  for (let i = 960; i < 1000; i++) assert.notEqual(cache.get(`k${i}`, 0), null);
});
