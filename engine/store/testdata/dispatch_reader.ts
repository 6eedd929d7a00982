/// <reference lib="deno.worker" />
/** A worker that reads from the dispatcher behind the port it is sent, and tells what it got. */
import { portDispatch } from "../port_dispatch.ts";

self.addEventListener("message", async (event) => {
  const dispatch = portDispatch((event as MessageEvent).ports[0]);
  for (;;) {
    const options = { consumer: "worker", maxEntries: 1, waitMs: 60_000 };
    const entries = await dispatch.read([1], options);
    self.postMessage(entries);
  }
});
