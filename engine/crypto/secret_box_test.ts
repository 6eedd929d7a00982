import assert from "node:assert/strict";
import { SecretBox } from "./secret_box.ts";

const box = new SecretBox(new Uint8Array(32).fill(7));
const secret = new TextEncoder().encode("a private key");

Deno.test("SecretBox: what is sealed opens again, for its context only", () => {
  const sealed = box.seal(secret, "dkim example.org s1");
  assert.deepEqual(box.open(sealed, "dkim example.org s1"), secret);
  assert.equal(box.open(sealed, "dkim example.org s2"), null);
  assert.notDeepEqual(box.seal(secret, "dkim example.org s1"), sealed);
});

Deno.test("SecretBox: another key, a changed octet and a cut all open to nothing", () => {
  const sealed = box.seal(secret, "x");
  assert.equal(new SecretBox(new Uint8Array(32).fill(8)).open(sealed, "x"), null);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at] ^= 1;
    assert.equal(box.open(changed, "x"), null, `octet ${at}`);
    assert.equal(box.open(sealed.subarray(0, at), "x"), null, `cut at ${at}`);
  }
});

Deno.test("SecretBox.derive: a key for each purpose", () => {
  assert.equal(box.derive("srs").length, 32);
  assert.notDeepEqual(box.derive("srs"), box.derive("login cache"));
});
