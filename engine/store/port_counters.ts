/** The counters over a message port: workers count with those that the main thread keeps. */
import { checkWindows } from "./counter_window.ts";
import type { Claim, Counters, CounterWindow, Taken } from "./counters.ts";
import { type HubPort, PortCaller, serveCalls } from "./port_calls.ts";

/** What a worker asks, its arguments as the method takes them. */
type Request = {
  [M in keyof Counters]: { readonly method: M; readonly args: Parameters<Counters[M]> };
}[keyof Counters];

/** Answers the calls of a port until it closes or is disposed; the counters stay. */
export function serveCounters(port: HubPort, counters: Counters): Disposable {
  return serveCalls(port, (request) => perform(counters, request as unknown as Request));
}

function perform(counters: Counters, request: Request): Promise<unknown> {
  switch (request.method) {
    case "take":
      return counters.take(...request.args);
    case "add":
      return counters.add(...request.args);
    case "giveBack":
      return counters.giveBack(...request.args);
    case "read":
      return counters.read(...request.args);
    case "reset":
      return counters.reset(...request.args);
  }
}

/** The counters at the other end of a port, which is closed when they are disposed. */
export function portCounters(port: MessagePort): Counters & AsyncDisposable {
  return new PortCounters(port);
}

class PortCounters implements Counters, AsyncDisposable {
  #caller: PortCaller;

  constructor(port: MessagePort) {
    this.#caller = new PortCaller(port, "the counter store");
  }

  async take(claims: readonly Claim[]): Promise<Taken> {
    return await this.#call("take", claims);
  }

  async add(counts: readonly (CounterWindow & { amount: number })[]): Promise<readonly number[]> {
    return await this.#call("add", counts);
  }

  async giveBack(counts: readonly (CounterWindow & { amount: number })[]): Promise<void> {
    return await this.#call("giveBack", counts);
  }

  async read(windows: readonly CounterWindow[]): Promise<readonly number[]> {
    return await this.#call("read", windows);
  }

  async reset(windows: readonly CounterWindow[]): Promise<void> {
    return await this.#call("reset", windows);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#caller.close();
    return Promise.resolve();
  }

  #call<M extends keyof Counters>(
    method: M,
    windows: Parameters<Counters[M]>[0],
  ): ReturnType<Counters[M]> {
    // Here, not there: a fault of the caller is not one of the store.
    checkWindows(windows);
    return this.#caller.call(method, [windows]) as ReturnType<Counters[M]>;
  }
}
