import assert from "node:assert/strict";
import { readDkimCollection } from "../../tests/fixtures/dkim_collection.ts";
import { openNodeVerifyingKey } from "../crypto/node_verifier.ts";
import { CachedVerifier } from "../crypto/verifier_cache.ts";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { verifyDkim } from "./dkim_verify.ts";
import { SignedMessage } from "./signed_message.ts";

const collection = readDkimCollection();
if (collection === null) console.warn("the collection of signed messages is absent");

const verifier = new CachedVerifier(openNodeVerifyingKey, { maxKeys: 50 });

async function verdictsOf(octets: Uint8Array, nowMs: number) {
  const message = new SignedMessage(octets, readHeaderSection(octets));
  const resolver = new ZoneResolver(collection!.zone);
  return await verifyDkim(message, { resolver, verifier, nowMs });
}

Deno.test({
  name: "verifyDkim: 73 messages come to what RFC 8301 asks for",
  ignore: collection === null,
  async fn() {
    const wrong: string[] = [];
    for (const { file, octets, expected } of collection!.messages) {
      const results = await verdictsOf(octets, Date.UTC(2026, 10, 23));
      const passes = results.some(({ verdict }) => verdict === "pass");
      if (expected !== "open" && passes !== (expected === "pass")) {
        const found = results.map(({ verdict, reason, domain }) =>
          `${domain} ${verdict} ${reason}`
        );
        wrong.push(`${file}: not ${expected}: ${found.join("; ")}`);
      }
      if (expected === "expired") {
        const then = await verdictsOf(octets, Date.UTC(2021, 0, 1));
        if (!then.some(({ verdict }) => verdict === "pass")) {
          wrong.push(`${file}: ${JSON.stringify(then)}`);
        }
      }
    }
    assert.deepEqual(wrong, []);
    assert.equal(collection!.messages.length, 73);
  },
});

Deno.test({
  name: "verifyDkim: both signatures of the example in RFC 8463 §A hold",
  ignore: collection === null,
  async fn() {
    const examples = collection!.messages.filter(({ octets, expected }) =>
      expected === "pass" && new TextDecoder().decode(octets).includes("d=football.example.com")
    );
    assert.ok(examples.length > 0);
    for (const { octets } of examples) {
      const results = await verdictsOf(octets, Date.UTC(2026, 10, 23));
      assert.deepEqual(
        results.filter(({ domain }) => domain === "football.example.com")
          .map(({ algorithm, verdict }) => `${algorithm} ${verdict}`).sort(),
        ["ed25519-sha256 pass", "rsa-sha256 pass"],
      );
    }
  },
});
