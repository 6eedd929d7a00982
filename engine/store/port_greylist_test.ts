import assert from "node:assert/strict";
import { StoreUnavailableError } from "./errors.ts";
import { testGreylist } from "./greylist_conformance.ts";
import { memoryGreylist } from "./memory_greylist.ts";
import { callChannel } from "./port_calls.ts";
import { portGreylist, serveGreylist } from "./port_greylist.ts";

testGreylist({
  name: "portGreylist",
  openStore(now) {
    const greylist = memoryGreylist({ now });
    return Promise.resolve({
      open() {
        const { hub, worker } = callChannel();
        serveGreylist(hub, greylist);
        return portGreylist(worker);
      },
      async [Symbol.asyncDispose]() {},
    });
  },
});

Deno.test("portGreylist: a hub that closes fails calls under way and those to come", async () => {
  const { hub, worker } = callChannel();
  const served = serveGreylist(hub, { ask: () => new Promise(() => {}) });
  await using greylist = portGreylist(worker);
  const query = {
    senders: [],
    triplets: ["t"],
    isVouchedFor: false,
    delayMs: 1,
    windowMs: 2,
    trustMs: 3,
  };
  const call = assert.rejects(greylist.ask(query), StoreUnavailableError);
  served[Symbol.dispose]();
  await call;
  await assert.rejects(greylist.ask(query), StoreUnavailableError);
});
