import assert from "node:assert/strict";
import { startNsd } from "../../tests/fixtures/nsd.ts";
import { nodeExchange } from "./node_exchange.ts";
import type { DnsServer } from "./servers.ts";
import { StubResolver } from "./stub_resolver.ts";
import { assertConforms, ORIGINS, zoneFile } from "./testdata/conformance.ts";

const SERVER: DnsServer = { host: "127.0.0.1", port: 5310 };

Deno.test("StubResolver: conforms over nsd, TCP for long answers included", async () => {
  const zones = Object.fromEntries(ORIGINS.map((origin) => [origin, zoneFile(origin)]));
  await using nsd = await startNsd({ zones, ...SERVER });
  if (nsd === null) return;
  await using resolver = new StubResolver({ servers: [SERVER], exchange: nodeExchange });
  await assertConforms(resolver);
  // nsd refuses what lies outside its zones.
  const elsewhere = await resolver.a("example.com");
  assert.deepEqual(elsewhere, { kind: "tempfail", reason: "refused" });
});
