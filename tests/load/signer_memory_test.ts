/** Keys that libcrypto opens live outside of the runtime's sight: closing them must free them. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { openSslSigners } from "../../engine/crypto/ffi_openssl.ts";
import { openNodeSigner } from "../../engine/crypto/node_signer.ts";

const KEYS = 3_000;
/** A key with its context is some 5 KiB: a leak would be 15 MiB. */
const MAX_GROWTH_OCTETS = 8 * 1024 * 1024;
const libcrypto = openSslSigners(openNodeSigner);

Deno.test({
  name: "openSslSigners: thousands of keys opened and closed leave no memory behind",
  ignore: libcrypto === null,
  fn() {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const der = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }));
    const open = (times: number) => {
      for (let n = 0; n < times; n++) libcrypto!("rsa-sha256", der)[Symbol.dispose]();
    };
    open(500);
    const before = Deno.memoryUsage().rss;
    open(KEYS);
    assert.ok(Deno.memoryUsage().rss - before < MAX_GROWTH_OCTETS);
  },
});
