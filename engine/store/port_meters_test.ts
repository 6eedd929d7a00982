import assert from "node:assert/strict";
import { StoreUnavailableError } from "./errors.ts";
import { memoryMeters } from "./memory_meters.ts";
import { testMeters } from "./meters_conformance.ts";
import { callChannel } from "./port_calls.ts";
import { portMeters, serveMeters } from "./port_meters.ts";

testMeters({
  name: "portMeters",
  openStore(now) {
    const meters = memoryMeters({ now });
    return Promise.resolve({
      open() {
        const { hub, worker } = callChannel();
        serveMeters(hub, meters);
        return portMeters(worker);
      },
      async [Symbol.asyncDispose]() {},
    });
  },
});

Deno.test("portMeters: a hub that closes fails calls under way and those to come", async () => {
  const { hub, worker } = callChannel();
  const served = serveMeters(hub, { pass: () => new Promise(() => {}) });
  await using meters = portMeters(worker);
  const claims = [{ key: "k", burst: 1, periodMs: 1, amount: 1 }];
  const call = assert.rejects(meters.pass(claims), StoreUnavailableError);
  served[Symbol.dispose]();
  await call;
  await assert.rejects(meters.pass(claims), StoreUnavailableError);
});
