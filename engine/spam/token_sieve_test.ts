import assert from "node:assert/strict";
import fc from "fast-check";
import type { TokenCounts } from "../store/spam_memory.ts";
import { TokenSieve } from "./token_sieve.ts";

function page(rows: readonly (readonly [number, number, number])[]): TokenCounts {
  return {
    tokens: Float64Array.from(rows, ([token]) => token),
    ham: Uint32Array.from(rows, ([, ham]) => ham),
    spam: Uint32Array.from(rows, ([, , spam]) => spam),
  };
}

function contentOf(sieve: TokenSieve): number[][] {
  const rows: number[][] = [];
  sieve.forEach(0, Infinity, (...row) => rows.push(row));
  return rows;
}

Deno.test("TokenSieve: keeps everything there is room for", () => {
  const sieve = new TokenSieve(3);
  sieve.add(page([[1, 1, 0], [2, 0, 1]]));
  sieve.add(page([[3, 5, 5]]));
  assert.deepEqual(contentOf(sieve), [[1, 1, 0], [2, 0, 1], [3, 5, 5]]);
  assert.equal(sieve.minMessages, 1);
});

Deno.test("TokenSieve: once full, what was in the fewest messages goes, and none of its kind comes in", () => {
  const sieve = new TokenSieve(3);
  sieve.add(page([[1, 1, 0], [2, 2, 1], [3, 0, 1], [4, 4, 0], [5, 0, 1], [6, 1, 1]]));
  assert.deepEqual(contentOf(sieve), [[2, 2, 1], [4, 4, 0], [6, 1, 1]]);
  assert.equal(sieve.minMessages, 2);
});

Deno.test("TokenSieve: grows beyond its first room, and takes parts out in order", () => {
  const sieve = new TokenSieve(100_000);
  const rows = Array.from({ length: 20_000 }, (_, at) => [at + 1, at + 1, 1] as const);
  sieve.add(page(rows));
  const part: number[] = [];
  sieve.forEach(19_998, 30_000, (token, ham) => part.push(token, ham));
  assert.deepEqual([sieve.size, ...part], [20_000, 19_999, 19_999, 20_000, 20_000]);
});

Deno.test("TokenSieve: whatever comes, it keeps all tokens of so many messages, within its room", () => {
  const count = fc.integer({ min: 0, max: 6 });
  fc.assert(fc.property(
    fc.array(fc.tuple(count, count).filter(([a, b]) => a + b > 0), { maxLength: 60 }),
    fc.integer({ min: 0, max: 20 }),
    (counts, room) => {
      const sieve = new TokenSieve(room);
      const rows = counts.map(([ham, spam], at) => [at + 1, ham, spam] as const);
      for (let at = 0; at < rows.length; at += 7) sieve.add(page(rows.slice(at, at + 7)));
      assert.ok(sieve.size <= room);
      if (room === 0) return;
      const kept = rows.filter(([, ham, spam]) => ham + spam >= sieve.minMessages);
      assert.deepEqual(contentOf(sieve), kept);
    },
  ));
});
