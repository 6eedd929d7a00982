import assert from "node:assert/strict";
import type { Signer } from "./signer.ts";
import { SignerCache } from "./signer_cache.ts";

Deno.test("SignerCache: closes whom nobody asked for, never one of those asked for just now", () => {
  const open = new Set<string>();
  const opened: string[] = [];
  const cache = new SignerCache(2);
  const get = (name: string) =>
    cache.get(name, (): Signer => {
      open.add(name);
      opened.push(name);
      return {
        algorithm: "ed25519-sha256",
        sign: (octets) => octets,
        [Symbol.dispose]: () => open.delete(name),
      };
    });
  const first = get("a");
  get("b");
  // Asked for again, the older of the two is the younger.
  assert.equal(get("a"), first);
  get("c");
  assert.deepEqual([...open], ["a", "c"]);
  get("d");
  assert.deepEqual([...open], ["c", "d"]);
  get("a");
  assert.deepEqual(opened, ["a", "b", "c", "d", "a"]);
  assert.equal(cache.get("none", () => null), null);
  assert.deepEqual([...open], ["d", "a"]);
});
