/**
 * Answers remembered while the version of what they were read from has not changed. The version is asked
 * for every so often at the most, by whoever wants an answer first then: an idle worker asks nothing.
 */
import { LookupCache, type LookupCacheOptions } from "./lookup_cache.ts";

const VERSION_MAX_AGE_MS = 2_000;
const CAPACITY = 10_000;

export interface KnownVersionOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** How old a known version may be, hence how late a change is seen. */
  readonly versionMaxAgeMs?: number;
}

/** The version, shared by the caches that depend on it. */
export class KnownVersion {
  readonly #read: () => Promise<string>;
  readonly #now: () => number;
  readonly #maxAgeMs: number;
  #known: { readonly version: string; readonly askedAtMs: number } | null = null;
  #asking: Promise<string> | null = null;
  /** Changes of our own so far: what was asked before the last one is not kept. */
  #changes = 0;

  /** @param read asks the store; what is read from it afterwards is no older. */
  constructor(read: () => Promise<string>, options: KnownVersionOptions) {
    this.#read = read;
    this.#now = options.now;
    this.#maxAgeMs = options.versionMaxAgeMs ?? VERSION_MAX_AGE_MS;
  }

  async current(): Promise<string> {
    const known = this.#known;
    if (known !== null && this.#now() - known.askedAtMs < this.#maxAgeMs) return known.version;
    const changes = this.#changes;
    this.#asking ??= this.#ask(changes).finally(() => {
      if (this.#changes === changes) this.#asking = null;
    });
    return await this.#asking;
  }

  /** After a change of one's own: the next question is for the version, whatever is under way. */
  forget(): void {
    this.#changes++;
    this.#known = null;
    this.#asking = null;
  }

  async #ask(changes: number): Promise<string> {
    const askedAtMs = this.#now();
    const version = await this.#read();
    if (this.#changes === changes) this.#known = { version, askedAtMs };
    return version;
  }
}

export class VersionedCache<Value> {
  readonly #version: KnownVersion;
  readonly #cache: LookupCache<Value>;
  #cachedVersion: string | null = null;

  constructor(
    version: KnownVersion,
    options: Pick<LookupCacheOptions<Value>, "judge"> & { readonly capacity?: number },
  ) {
    this.#version = version;
    this.#cache = new LookupCache({
      capacity: options.capacity ?? CAPACITY,
      judge: options.judge,
    });
  }

  /** What is remembered for `key`, or what `ask` answers, which is remembered then. */
  async get(key: string, ask: () => Promise<Value>): Promise<Value> {
    const version = await this.#version.current();
    if (version !== this.#cachedVersion) {
      this.#cache.clear();
      this.#cachedVersion = version;
    }
    const known = this.#cache.get(key);
    if (known !== undefined) return known.value;
    const value = await ask();
    // Not what was read before a change that has been noticed meanwhile.
    if (this.#cachedVersion === version) this.#cache.set(key, value);
    return value;
  }
}
