import assert from "node:assert/strict";
import type { ReputationStore } from "../store/reputations.ts";
import type { SpamMemory, TidyOptions } from "../store/spam_memory.ts";
import { forgetOld } from "./forget_old.ts";
import { REPUTATION_HALF_LIFE_MS } from "./reputation.ts";

Deno.test("forgetOld: reputations once hardly anything is left of them, words of one message before others", async () => {
  const nowMs = Date.UTC(2026, 10, 26);
  let keptSinceMs = 0;
  let tidied: TidyOptions | null = null;
  const reputations = {
    forget: ({ beforeMs }: { beforeMs: number }) => {
      keptSinceMs = beforeMs;
      return Promise.resolve(3);
    },
  } as unknown as ReputationStore;
  const memory = {
    tidy: (options: TidyOptions) => {
      tidied = options;
      return Promise.resolve(4);
    },
  } as unknown as SpamMemory;
  const { signal } = new AbortController();
  assert.equal(await forgetOld({ memory, reputations }, { nowMs, signal }), 7);
  assert.ok(nowMs - keptSinceMs > 5 * REPUTATION_HALF_LIFE_MS);
  const { rareTokensMs, tokensMs, nowMs: toldMs } = tidied as unknown as TidyOptions;
  assert.ok(toldMs === nowMs && rareTokensMs < tokensMs);
});
