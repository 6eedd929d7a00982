/** The meters over a message port: workers count with those that the main thread keeps. */
import { checkClaims } from "./meter_level.ts";
import type { MeterClaim, Meters, Passage } from "./meters.ts";
import { type HubPort, PortCaller, serveCalls } from "./port_calls.ts";

/** Answers the calls of a port until it closes or is disposed; the meters stay. */
export function serveMeters(port: HubPort, meters: Meters): Disposable {
  return serveCalls(port, ({ args: [claims] }) => meters.pass(claims as readonly MeterClaim[]));
}

/** The meters at the other end of a port, which is closed when they are disposed. */
export function portMeters(port: MessagePort): Meters & AsyncDisposable {
  return new PortMeters(port);
}

class PortMeters implements Meters, AsyncDisposable {
  #caller: PortCaller;

  constructor(port: MessagePort) {
    this.#caller = new PortCaller(port, "the meter store");
  }

  async pass(claims: readonly MeterClaim[]): Promise<Passage> {
    // Here, not there: a fault of the caller is not one of the store.
    checkClaims(claims);
    return await this.#caller.call("pass", [claims]) as Passage;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#caller.close();
    return Promise.resolve();
  }
}
