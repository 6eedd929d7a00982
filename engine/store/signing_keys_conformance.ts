/** What every store of signing keys promises; run on each implementation. */
import assert from "node:assert/strict";
import type { DirectoryAdmin } from "./directory.ts";
import type { SigningAlgorithm, SigningKeyAdmin, SigningKeyState } from "./signing_keys.ts";

const DOMAIN = "keys.example";

function key(selector: string, algorithm: SigningAlgorithm, state: SigningKeyState) {
  const sealedPrivateKey = new TextEncoder().encode(`sealed ${selector}`);
  return {
    domain: DOMAIN,
    selector,
    algorithm,
    state,
    publicKey: `p ${selector}`,
    sealedPrivateKey,
  };
}

/**
 * @param opened two views of one store that has no keys, and its directory; `elapse` lets the time pass
 * in which the second must notice a change.
 */
export async function signingKeysConformance(
  test: Deno.TestContext,
  { here, elsewhere, directory, elapse }: {
    here: SigningKeyAdmin;
    elsewhere: SigningKeyAdmin;
    directory: DirectoryAdmin;
    elapse: () => void;
  },
): Promise<void> {
  await directory.addDomain(DOMAIN);
  await directory.addDomain("other-keys.example");
  const states = async () =>
    (await here.keys(DOMAIN)).map(({ selector, state }) => `${selector} ${state}`);
  const active = async (source: SigningKeyAdmin) =>
    (await source.activeKeys(DOMAIN)).map(({ selector }) => selector);

  await test.step("addKey: each selector once, in a domain that is ours", async () => {
    const old = key("2024", "rsa-sha256", "active");
    const beforeMs = Date.now() - 60_000;
    assert.deepEqual(await active(elsewhere), []);
    assert.equal(await here.addKey(old), "added");
    assert.equal(await here.addKey({ ...old, publicKey: "other" }), "exists");
    assert.equal(await here.addKey({ ...old, domain: "foreign.example" }), "no_such_domain");
    assert.equal(await here.addKey({ ...old, domain: "other-keys.example" }), "added");
    const [stored, ...rest] = await here.keys(DOMAIN);
    assert.deepEqual(rest, []);
    const { createdAtMs, stateSinceMs, ...given } = stored;
    assert.deepEqual(given, old);
    assert.ok(createdAtMs > beforeMs && stateSinceMs === createdAtMs);
    assert.deepEqual(await here.activeKeys(DOMAIN), [stored]);
    const all = await here.keys(null);
    assert.deepEqual(all.map(({ domain }) => domain), [DOMAIN, "other-keys.example"]);
  });

  await test.step("activeKeys: a change made elsewhere is seen", async () => {
    elapse();
    assert.deepEqual(await active(elsewhere), ["2024"]);
  });

  await test.step("switchKeys: retires only what has a successor of its algorithm", async () => {
    await here.addKey(key("2024e", "ed25519-sha256", "active"));
    assert.deepEqual(await here.switchKeys(DOMAIN), []);
    assert.deepEqual(await states(), ["2024 active", "2024e active"]);
    await here.addKey(key("2025", "rsa-sha256", "waiting"));
    assert.deepEqual(await active(here), ["2024", "2024e"]);
    const [switched, ...rest] = await here.switchKeys(DOMAIN);
    assert.deepEqual(rest, []);
    assert.equal(switched.selector, "2025");
    assert.equal(switched.state, "active");
    assert.ok(switched.stateSinceMs >= switched.createdAtMs);
    assert.deepEqual(await states(), ["2024 retired", "2024e active", "2025 active"]);
    assert.deepEqual(await active(here), ["2024e", "2025"]);
    elapse();
    assert.deepEqual(await active(elsewhere), ["2024e", "2025"]);
  });

  await test.step("addKey: of each algorithm, one waits and one signs", async () => {
    const [first, second] = ["2025a", "2025b"].map((name) => key(name, "rsa-sha256", "waiting"));
    const added = await Promise.all([here.addKey(first), elsewhere.addKey(second)]);
    assert.deepEqual(added.toSorted(), ["added", "exists"]);
    assert.equal(await here.addKey(key("2025c", "rsa-sha256", "active")), "exists");
    const waiting = (await here.keys(DOMAIN)).filter(({ state }) => state === "waiting");
    assert.equal(waiting.length, 1);
    await here.removeKey(DOMAIN, waiting[0].selector);
  });

  await test.step("switchKeys: two at once switch once", async () => {
    await here.addKey(key("2026", "rsa-sha256", "waiting"));
    await here.addKey(key("2026e", "ed25519-sha256", "waiting"));
    const switched = await Promise.all([here.switchKeys(DOMAIN), elsewhere.switchKeys(DOMAIN)]);
    assert.deepEqual(switched.flat().map(({ selector }) => selector), ["2026", "2026e"]);
    assert.deepEqual(await states(), [
      "2024 retired",
      "2024e retired",
      "2025 retired",
      "2026 active",
      "2026e active",
    ]);
  });

  await test.step("removeKey: once", async () => {
    assert.equal(await here.removeKey(DOMAIN, "2026"), true);
    assert.equal(await here.removeKey(DOMAIN, "2026"), false);
    assert.deepEqual(await active(here), ["2026e"]);
  });

  await test.step("removeDomain: its keys go with it", async () => {
    assert.equal(await directory.removeDomain(DOMAIN), "removed");
    assert.deepEqual(await here.keys(DOMAIN), []);
    elapse();
    assert.deepEqual(await active(here), []);
  });
}
