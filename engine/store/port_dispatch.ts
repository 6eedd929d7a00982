/**
 * The dispatcher over a message port: workers speak to the one that the main thread keeps. Entries in an
 * answer that nobody waits for any more stay pending until someone reclaims them.
 */
import type {
  Dispatch,
  DispatchDepth,
  DispatchEntry,
  ReadyDelivery,
  RetryDelivery,
} from "./dispatch.ts";
import { checkRead } from "./dispatch_batches.ts";
import { callChannel, type HubPort, PortCaller, serveCalls } from "./port_calls.ts";

type Method = Exclude<keyof Dispatch, symbol>;
/** What a worker asks, its arguments as the method takes them. */
type Request = {
  [M in Method]: { readonly method: M; readonly args: Parameters<Dispatch[M]> };
}[Method];

/** A channel between the main thread, which keeps `hub`, and a worker, to which `worker` is sent. */
export function dispatchChannel(): { readonly hub: HubPort; readonly worker: MessagePort } {
  return callChannel();
}

/**
 * Answers the calls of a port until it closes or is disposed, the dispatcher stays open. Entries
 * whose reader is gone stay pending until someone reclaims them.
 */
export function serveDispatch(port: HubPort, dispatch: Dispatch): Disposable {
  return serveCalls(
    port,
    (request, signal) => perform(dispatch, request as unknown as Request, signal),
  );
}

function perform(dispatch: Dispatch, request: Request, signal: AbortSignal): Promise<unknown> {
  switch (request.method) {
    case "enqueue":
      return dispatch.enqueue(...request.args);
    case "read": {
      const [shards, wanted] = request.args;
      // A dispatcher that knows the signal gives no entries to a reader that is gone.
      const options = { ...wanted, signal };
      return dispatch.read(shards, options);
    }
    case "acknowledge":
      return dispatch.acknowledge(...request.args);
    case "retryAt":
      return dispatch.retryAt(...request.args);
    case "promote":
      return dispatch.promote(...request.args);
    case "reclaim":
      return dispatch.reclaim(...request.args);
    case "depth":
      return dispatch.depth();
    case "needsRebuild":
      return dispatch.needsRebuild();
    case "markBuilt":
      return dispatch.markBuilt();
  }
}

/** The dispatcher at the other end of a port. It closes the port when disposed, not the dispatcher. */
export function portDispatch(port: MessagePort): Dispatch {
  return new PortDispatch(port);
}

class PortDispatch implements Dispatch {
  #caller: PortCaller;

  constructor(port: MessagePort) {
    this.#caller = new PortCaller(port, "the dispatcher");
  }

  async enqueue(ready: readonly ReadyDelivery[]): Promise<void> {
    await this.#call("enqueue", [ready]);
  }

  async read(
    shards: readonly number[],
    options: { consumer: string; maxEntries: number; waitMs: number },
  ): Promise<readonly DispatchEntry[]> {
    const { consumer, maxEntries, waitMs } = options;
    checkRead(shards, maxEntries);
    const args = [shards, { consumer, maxEntries, waitMs }] as const;
    const read = await this.#caller.call("read", args, { waitMs, whenClosed: [] });
    return read as readonly DispatchEntry[];
  }

  async acknowledge(entries: readonly DispatchEntry[]): Promise<void> {
    // The ids may be many, and the hub has no need of them.
    const bare = entries.map(({ shard, entryId }) => ({ shard, entryId, ids: [] }));
    await this.#call("acknowledge", [bare]);
  }

  async retryAt(retries: readonly RetryDelivery[]): Promise<void> {
    await this.#call("retryAt", [retries]);
  }

  async promote(nowMs: number, limit: number): Promise<number> {
    return await this.#call("promote", [nowMs, limit]);
  }

  async reclaim(
    shards: readonly number[],
    options: { consumer: string; minIdleMs: number; maxEntries: number },
  ): Promise<readonly DispatchEntry[]> {
    checkRead(shards, options.maxEntries);
    return await this.#call("reclaim", [shards, options]);
  }

  async depth(): Promise<DispatchDepth> {
    return await this.#call("depth", []);
  }

  async needsRebuild(): Promise<boolean> {
    return await this.#call("needsRebuild", []);
  }

  async markBuilt(): Promise<void> {
    await this.#call("markBuilt", []);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#caller.close();
    return Promise.resolve();
  }

  #call<M extends Method>(method: M, args: Parameters<Dispatch[M]>): ReturnType<Dispatch[M]> {
    return this.#caller.call(method, args) as ReturnType<Dispatch[M]>;
  }
}
