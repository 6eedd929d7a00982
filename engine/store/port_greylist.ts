/** The greylist over a message port: workers ask the one that the main thread keeps. */
import type { Greylist, GreylistAnswer, GreylistQuery } from "./greylist.ts";
import { checkQuery } from "./greylist_query.ts";
import { type HubPort, PortCaller, serveCalls } from "./port_calls.ts";

/** Answers the calls of a port until it closes or is disposed; the greylist stays. */
export function serveGreylist(port: HubPort, greylist: Greylist): Disposable {
  return serveCalls(port, ({ args: [query] }) => greylist.ask(query as GreylistQuery));
}

/** The greylist at the other end of a port, which is closed when it is disposed. */
export function portGreylist(port: MessagePort): Greylist & AsyncDisposable {
  return new PortGreylist(port);
}

class PortGreylist implements Greylist, AsyncDisposable {
  #caller: PortCaller;

  constructor(port: MessagePort) {
    this.#caller = new PortCaller(port, "the greylist");
  }

  async ask(query: GreylistQuery): Promise<GreylistAnswer> {
    // Here, not there: a fault of the caller is not one of the store.
    checkQuery(query);
    return await this.#caller.call("ask", [query]) as GreylistAnswer;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#caller.close();
    return Promise.resolve();
  }
}
