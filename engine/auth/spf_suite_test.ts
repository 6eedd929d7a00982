import assert from "node:assert/strict";
import { readSpfSuite } from "../../tests/fixtures/spf_suite.ts";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { checkSpf } from "./spf.ts";

const scenarios = readSpfSuite();
if (scenarios === null) console.warn("the RFC 7208 suite is absent: its tests are left out");

for (const { description, zone, tests } of scenarios ?? []) {
  Deno.test(`checkSpf: the RFC 7208 suite, ${description}`, async () => {
    const resolver = new ZoneResolver(zone);
    const wrong: string[] = [];
    for (const { name, heloName, clientAddress, reversePath, verdicts, explanation } of tests) {
      const { mfrom } = await checkSpf({
        ...{ clientAddress, heloName, reversePath, resolver },
        hostname: "receiver.example",
        nowMs: Date.UTC(2026, 0, 2),
        timeoutMs: 10_000,
      });
      const told = mfrom.explanation ?? "DEFAULT";
      const isRight = verdicts.includes(mfrom.verdict) &&
        (explanation === null || explanation === told);
      if (!isRight) {
        wrong.push(
          `${name}: ${mfrom.verdict} (${mfrom.reason}), told ${told}, not ${verdicts}, ${explanation}`,
        );
      }
    }
    assert.deepEqual(wrong, []);
  });
}

Deno.test({
  name: "checkSpf: the whole of the RFC 7208 suite was read",
  ignore: scenarios === null,
  fn() {
    assert.equal(scenarios!.flatMap(({ tests }) => tests).length, 203);
  },
});
