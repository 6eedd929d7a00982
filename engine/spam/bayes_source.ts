/**
 * Keeps a snapshot of what was learnt in step with the store, for all workers of this process: asks every so often
 * which scopes have changed and loads these anew, page by page. Bounded: where there are more tokens than room, those
 * of the fewest messages are left out.
 */
import type { LearnedScope, SpamMemory, TokenCounts } from "../store/spam_memory.ts";
import { type BayesSnapshot, GLOBAL_SCOPE, ScopeBuilder, type ScopeSnapshot } from "./bayes.ts";
import { TokenSieve } from "./token_sieve.ts";

export interface BayesSourceOptions {
  readonly memory: Pick<SpamMemory, "scopes" | "page">;
  /** Of each kind, before a scope is loaded at all. */
  readonly minMessages: number;
  readonly onSnapshot: (snapshot: BayesSnapshot) => void;
  readonly onError: (error: unknown) => void;
  /** How late a change is seen, but for the time loading takes. */
  readonly pollMs?: number;
  /** In all; half of it for everyone's, an eighth at the most for each domain. */
  readonly maxTokens?: number;
}

const POLL_MS = 30_000;
const MAX_TOKENS = 1_000_000;
/** A page takes a few milliseconds here, and on an embedded database others wait for it. */
const PAGE = 5_000;
const PAUSE_MS = 10;
/** Loading may read all there is: it rests this many times as long as it took. */
const REST = 20;

interface Loaded {
  readonly version: string;
  readonly tokens: number;
  readonly snapshot: ScopeSnapshot;
}

export class BayesSource implements Disposable {
  readonly #options: Required<BayesSourceOptions>;
  #loaded = new Map<string, Loaded>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isDisposed = false;

  constructor(options: BayesSourceOptions) {
    this.#options = { pollMs: POLL_MS, maxTokens: MAX_TOKENS, ...options };
  }

  /** What was told last, for who comes later; empty at first. */
  get snapshot(): BayesSnapshot {
    return { scopes: Array.from(this.#loaded.values(), ({ snapshot }) => snapshot) };
  }

  /** Refreshes until disposed of, at once for the first time. */
  start(): void {
    this.#after(0);
  }

  /**
   * Loads what has changed and tells of it, if anything has. Not twice at once.
   * @throws {StoreUnavailableError}
   */
  async refresh(): Promise<void> {
    const { memory, minMessages, maxTokens, onSnapshot } = this.#options;
    const trained = (await memory.scopes())
      .filter(({ messages: { ham, spam } }) => Math.min(ham, spam) >= minMessages);
    const loaded = new Map<string, Loaded>();
    let left = maxTokens;
    for (const learned of byWeight(trained)) {
      const room = Math.min(left, learned.scope === GLOBAL_SCOPE ? maxTokens / 2 : maxTokens / 8);
      const known = this.#loaded.get(learned.scope);
      const isCurrent = known?.version === learned.version && known.tokens <= room;
      const scope = isCurrent ? known : await this.#load(learned, Math.floor(room));
      if (this.#isDisposed) return;
      left -= scope.tokens;
      loaded.set(learned.scope, scope);
    }
    const isSame = loaded.size === this.#loaded.size &&
      [...loaded].every(([name, { snapshot }]) => this.#loaded.get(name)?.snapshot === snapshot);
    this.#loaded = loaded;
    if (!isSame) onSnapshot(this.snapshot);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #after(delayMs: number): void {
    this.#timer = setTimeout(async () => {
      const startedMs = performance.now();
      try {
        await this.refresh();
      } catch (error) {
        this.#options.onError(error);
      }
      const tookMs = performance.now() - startedMs;
      if (!this.#isDisposed) this.#after(Math.max(this.#options.pollMs, REST * tookMs));
    }, delayMs);
  }

  async #load({ scope, version, messages }: LearnedScope, room: number): Promise<Loaded> {
    const sieve = new TokenSieve(room);
    let after = 0;
    while (!this.#isDisposed) {
      const page: TokenCounts = await this.#options.memory.page(scope, {
        after,
        minMessages: sieve.minMessages,
        limit: PAGE,
      });
      if (page.tokens.length === 0) break;
      sieve.add(page);
      after = page.tokens[page.tokens.length - 1];
      await pause();
    }
    const builder = new ScopeBuilder(sieve.size);
    for (let start = 0; start < sieve.size; start += PAGE) {
      sieve.forEach(start, start + PAGE, (id, ham, spam) => builder.add(id, ham, spam));
      await pause();
    }
    return { version, tokens: sieve.size, snapshot: builder.build(scope, messages) };
  }
}

/** Everyone's first, then the domains that have learnt most. */
function byWeight(scopes: readonly LearnedScope[]): readonly LearnedScope[] {
  const weight = ({ scope, messages: { ham, spam } }: LearnedScope) =>
    scope === GLOBAL_SCOPE ? Infinity : ham + spam;
  return scopes.toSorted((a, b) => {
    const [heavy, light] = [weight(a), weight(b)];
    return heavy === light ? 0 : heavy > light ? -1 : 1;
  });
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
