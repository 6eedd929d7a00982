/** How long spam scoring remembers what it has not met again. */
import type { ReputationStore } from "../store/reputations.ts";
import type { SpamMemory } from "../store/spam_memory.ts";

const DAY_MS = 86_400_000;
/** Words of a single message mostly are none. */
const RARE_TOKENS_MS = 60 * DAY_MS;
const TOKENS_MS = 400 * DAY_MS;
const FINGERPRINTS_MS = 400 * DAY_MS;
/** Six half-lives: less than a fiftieth is left. */
const REPUTATIONS_MS = 90 * DAY_MS;

/**
 * Forgets what is older; meant for once a day or so. Walks through everything, with rests, and ends early by the
 * signal. Answers how much was forgotten. @throws {StoreUnavailableError}
 */
export async function forgetOld(
  stores: { readonly memory: SpamMemory; readonly reputations: ReputationStore },
  { nowMs, signal }: { readonly nowMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const reputations = await stores.reputations.forget({ beforeMs: nowMs - REPUTATIONS_MS, signal });
  const learned = await stores.memory.tidy({
    nowMs,
    rareTokensMs: RARE_TOKENS_MS,
    tokensMs: TOKENS_MS,
    fingerprintsMs: FINGERPRINTS_MS,
    signal,
  });
  return reputations + learned;
}
