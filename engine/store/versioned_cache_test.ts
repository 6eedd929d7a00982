import assert from "node:assert/strict";
import { KnownVersion, VersionedCache } from "./versioned_cache.ts";

const MAX_AGE_MS = 2_000;

/** A store of one value that counts what it is asked, and keeps an answer back when told to. */
function store() {
  const state = { nowMs: 0, version: 1, value: "first", versionReads: 0, valueReads: 0 };
  let held: Promise<void> | null = null;
  const version = new KnownVersion(async () => {
    state.versionReads++;
    const read = String(state.version);
    await held;
    return read;
  }, { now: () => state.nowMs, versionMaxAgeMs: MAX_AGE_MS });
  const cache = new VersionedCache<string>(version, {
    judge: () => ({ isGuess: false, weight: 1 }),
  });
  const get = () =>
    cache.get("key", async () => {
      state.valueReads++;
      const read = state.value;
      await held;
      return read;
    });
  return {
    state,
    version,
    get,
    change: (value: string) => {
      state.version++;
      state.value = value;
    },
    /** Keeps back the answer to what `run` asks first; answers how to release it. */
    hold: async (run: () => void) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const reads = state.versionReads + state.valueReads;
      held = promise;
      run();
      while (state.versionReads + state.valueReads === reads) await Promise.resolve();
      held = null;
      return resolve;
    },
  };
}

Deno.test("VersionedCache: asks for the version once for all who wait, and again when it is old", async () => {
  const { state, get, change } = store();
  assert.deepEqual(await Promise.all([get(), get(), get()]), ["first", "first", "first"]);
  assert.equal(state.versionReads, 1);
  change("second");
  state.nowMs += MAX_AGE_MS - 1;
  assert.equal(await get(), "first");
  assert.equal(state.versionReads, 1);
  state.nowMs += 1;
  assert.equal(await get(), "second");
  assert.equal(state.versionReads, 2);
});

Deno.test("VersionedCache: keeps its answers when the version turns out the same", async () => {
  const { state, get } = store();
  await get();
  state.nowMs += MAX_AGE_MS;
  await get();
  assert.deepEqual([state.versionReads, state.valueReads], [2, 1]);
});

Deno.test("VersionedCache: does not keep what was read before a change noticed meanwhile", async () => {
  const { version, get, change, hold } = store();
  await version.current();
  let early = Promise.resolve("");
  const release = await hold(() => early = get());
  change("second");
  version.forget();
  assert.equal(await get(), "second");
  release();
  assert.equal(await early, "first");
  assert.equal(await get(), "second");
});

Deno.test("KnownVersion: a version asked for before a change of one's own is not kept", async () => {
  const { state, version, change, hold } = store();
  let early = Promise.resolve("");
  const release = await hold(() => early = version.current());
  change("second");
  version.forget();
  assert.equal(await version.current(), "2");
  release();
  assert.equal(await early, "1");
  assert.equal(await version.current(), "2");
  assert.equal(state.versionReads, 2);
});

Deno.test("KnownVersion: a question that failed is asked again", async () => {
  const answers = [Promise.reject(new Error("away")), Promise.resolve("1")];
  const version = new KnownVersion(() => answers.shift()!, { now: () => 0 });
  await assert.rejects(version.current(), /^Error: away$/);
  assert.equal(await version.current(), "1");
});
