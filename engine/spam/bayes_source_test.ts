import assert from "node:assert/strict";
import type { LearnedScope, TokenCounts, TokenPageOptions } from "../store/spam_memory.ts";
import type { BayesSnapshot, ScopeSnapshot } from "./bayes.ts";
import { BayesSource, type BayesSourceOptions } from "./bayes_source.ts";

interface FakeScope {
  messages: { ham: number; spam: number };
  version: number;
  /** By token, the number of messages it was in. */
  tokens: Map<number, number>;
}

function setUp(options: Partial<BayesSourceOptions> = {}) {
  const scopes = new Map<string, FakeScope>();
  const asked: string[] = [];
  const snapshots: BayesSnapshot[] = [];
  const memory = {
    scopes: (): Promise<readonly LearnedScope[]> =>
      Promise.resolve(Array.from(scopes, ([scope, { messages, version }]) => ({
        scope,
        messages,
        version: String(version),
        learnedAtMs: 0,
      }))),
    page: (
      scope: string,
      { after, minMessages, limit }: TokenPageOptions,
    ): Promise<TokenCounts> => {
      asked.push(scope);
      const rows = [...scopes.get(scope)!.tokens]
        .filter(([token, count]) => token > after && count >= minMessages)
        .sort(([a], [b]) => a - b).slice(0, limit);
      return Promise.resolve({
        tokens: Float64Array.from(rows, ([token]) => token),
        ham: Uint32Array.from(rows, ([, count]) => count),
        spam: new Uint32Array(rows.length),
      });
    },
  };
  const put = (scope: string, messages: number, tokens: readonly (readonly [number, number])[]) =>
    scopes.set(scope, {
      messages: { ham: messages, spam: messages },
      version: (scopes.get(scope)?.version ?? 0) + 1,
      tokens: new Map(tokens),
    });
  const source = new BayesSource({
    memory,
    minMessages: 10,
    onSnapshot: (snapshot) => snapshots.push(snapshot),
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  return { scopes, asked, snapshots, put, source };
}

/** Names and numbers of tokens. */
function shapeOf(snapshot: BayesSnapshot): string[] {
  return snapshot.scopes.map((one) => `${one.scope}: ${sizeOf(one)}`);
}

/** A token's ham or spam is the third or fourth of its four words, and one of them is not 0 here. */
function sizeOf({ slots }: ScopeSnapshot): number {
  return slots.filter((_, at) => at % 4 === 0 && slots[at + 2] + slots[at + 3] > 0).length;
}

const many = (count: number, messages = 1) =>
  Array.from({ length: count }, (_, at) => [at + 1, messages] as const);

Deno.test("BayesSource: loads what has learnt enough, page by page, and only what has changed", async () => {
  const { asked, snapshots, put, source } = setUp();
  using _ = source;
  put("", 100, many(12_000));
  put("a.example", 10, many(5));
  put("b.example", 9, many(5));
  await source.refresh();
  assert.deepEqual(snapshots.map(shapeOf), [[": 12000", "a.example: 5"]]);
  await source.refresh();
  assert.equal(snapshots.length, 1);
  asked.length = 0;
  put("a.example", 11, many(7));
  put("b.example", 12, many(8));
  await source.refresh();
  assert.deepEqual(shapeOf(snapshots[1]), [": 12000", "b.example: 8", "a.example: 7"]);
  assert.deepEqual(new Set(asked), new Set(["a.example", "b.example"]));
  assert.equal(snapshots[1].scopes[0].slots, snapshots[0].scopes[0].slots);
});

Deno.test("BayesSource: what is cleared is loaded no more", async () => {
  const { scopes, snapshots, put, source } = setUp();
  using _ = source;
  put("", 100, many(3));
  await source.refresh();
  scopes.clear();
  await source.refresh();
  assert.deepEqual(snapshots.map(shapeOf), [[": 3"], []]);
});

Deno.test("BayesSource: half of the room for everyone's, an eighth for a domain, the most used tokens", async () => {
  const { snapshots, put, source } = setUp({ maxTokens: 800 });
  using _ = source;
  const tokens = [
    ...many(600),
    ...Array.from({ length: 300 }, (_, at) => [1_000 + at, 2] as const),
  ];
  put("", 100, tokens);
  for (let n = 0; n < 9; n++) put(`${n}.example`, 50 - n, many(90, 3));
  await source.refresh();
  const [everyone, ...domains] = shapeOf(snapshots[0]);
  assert.equal(everyone, ": 300");
  assert.deepEqual(domains.slice(0, 5), ["0", "1", "2", "3", "4"].map((n) => `${n}.example: 90`));
  assert.ok(snapshots[0].scopes.map(sizeOf).reduce((a, b) => a + b) <= 800);
});

Deno.test("BayesSource: goes on by itself until it is disposed of, whatever goes wrong", async () => {
  const errors: unknown[] = [];
  const { scopes, snapshots, put, source } = setUp({
    pollMs: 1,
    onError: (error) => errors.push(error),
  });
  put("", 100, many(3));
  const { tokens } = scopes.get("")!;
  scopes.get("")!.tokens = undefined as unknown as FakeScope["tokens"];
  source.start();
  const wait = () => new Promise((resolve) => setTimeout(resolve, 2));
  while (errors.length === 0) await wait();
  scopes.get("")!.tokens = tokens;
  while (snapshots.length === 0) await wait();
  source[Symbol.dispose]();
});
