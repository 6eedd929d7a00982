import assert from "node:assert/strict";
import { readArcSuite } from "../../tests/fixtures/arc_suite.ts";
import { openNodeVerifyingKey } from "../crypto/node_verifier.ts";
import { CachedVerifier } from "../crypto/verifier_cache.ts";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { readHeaderSection } from "../mail/header_section.ts";
import { verifyArc } from "./arc_verify.ts";
import { SignedMessage } from "./signed_message.ts";

const scenarios = readArcSuite();
if (scenarios === null) console.warn("the ARC suite is absent: its tests are left out");

const verifier = new CachedVerifier(openNodeVerifyingKey, { maxKeys: 50 });

for (const { description, zone, tests } of scenarios ?? []) {
  Deno.test(`verifyArc: the ARC suite, ${description}`, async () => {
    const resolver = new ZoneResolver(zone);
    const wrong: string[] = [];
    for (const { name, octets, verdict } of tests) {
      const message = new SignedMessage(octets, readHeaderSection(octets));
      const found = await verifyArc(message, { resolver, verifier, nowMs: Date.now() });
      if (found.verdict !== verdict) {
        wrong.push(`${name}: ${found.verdict} (${found.reason}), not ${verdict}`);
      }
    }
    assert.deepEqual(wrong, []);
  });
}

Deno.test({
  name: "verifyArc: the whole of the ARC suite was read",
  ignore: scenarios === null,
  fn() {
    assert.equal(scenarios!.flatMap(({ tests }) => tests).length, 171);
  },
});
