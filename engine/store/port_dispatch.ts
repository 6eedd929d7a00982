/**
 * The dispatcher over a message port: workers speak to the one that the main thread keeps. Calls are
 * answered in any order, matched by number. Ports have no back-pressure, so each side bounds the
 * calls under way; a worker that dies takes its waiting reads with it and nothing else.
 */
import { MessageChannel as NodeMessageChannel } from "node:worker_threads";
import type {
  Dispatch,
  DispatchDepth,
  DispatchEntry,
  ReadyDelivery,
  RetryDelivery,
} from "./dispatch.ts";
import { checkRead } from "./dispatch_batches.ts";
import { StoreUnavailableError } from "./errors.ts";

/** Calls of one port that may be under way at once. */
const MAX_CALLS = 1_024;
/** How long a call may take besides the time it asked to wait. */
const CALL_MS = 5_000;

type Method = Exclude<keyof Dispatch, symbol>;
/** What a worker asks, its arguments as the method takes them. */
type Request = {
  [M in Method]: {
    readonly call: number;
    readonly method: M;
    readonly args: Parameters<Dispatch[M]>;
  };
}[Method];
type Answer =
  | { readonly kind: "answer"; readonly call: number; readonly value: unknown }
  | { readonly kind: "fault"; readonly call: number; readonly message: string }
  | { readonly kind: "closed" };

/** The main thread's end of a channel: unlike a web port, one of Node's tells when its peer is gone. */
export interface HubPort {
  on(event: "message", listener: (message: unknown) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  postMessage(message: unknown): void;
  close(): void;
}

/** A channel between the main thread, which keeps `hub`, and a worker, to which `worker` is sent. */
export function dispatchChannel(): { readonly hub: HubPort; readonly worker: MessagePort } {
  const { port1, port2 } = new NodeMessageChannel();
  return { hub: port1, worker: port2 as unknown as MessagePort };
}

/**
 * Answers the calls of a port until it closes or is disposed, the dispatcher stays open. Entries
 * whose reader is gone stay pending until someone reclaims them.
 */
export function serveDispatch(port: HubPort, dispatch: Dispatch): Disposable {
  const closing = new AbortController();
  let underWay = 0;
  const post = (answer: Answer) => {
    if (!closing.signal.aborted) port.postMessage(answer);
  };
  const serve = async (request: Request) => {
    const { call } = request;
    underWay++;
    try {
      if (underWay > MAX_CALLS) throw new StoreUnavailableError("too many calls under way");
      post({ kind: "answer", call, value: await perform(dispatch, request, closing.signal) });
    } catch (error) {
      post({
        kind: "fault",
        call,
        message: error instanceof Error ? error.message : String(error),
      });
    } finally {
      underWay--;
    }
  };
  port.on("message", (message) => void serve(message as Request));
  port.on("close", () => closing.abort());
  return {
    [Symbol.dispose]() {
      post({ kind: "closed" });
      closing.abort();
      port.close();
    },
  };
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

interface Call {
  readonly method: Method;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: StoreUnavailableError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

class PortDispatch implements Dispatch {
  #calls = new Map<number, Call>();
  #lastCall = 0;
  #open = true;

  constructor(private readonly port: MessagePort) {
    port.onmessage = (event: MessageEvent<Answer>) => this.#settle(event.data);
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
    return await this.#call("read", [shards, { consumer, maxEntries, waitMs }], waitMs);
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
    this.#close();
    return Promise.resolve();
  }

  #call<M extends Method>(
    method: M,
    args: Parameters<Dispatch[M]>,
    waitMs = 0,
  ): ReturnType<Dispatch[M]> {
    const answered = new Promise((resolve, reject) => {
      if (!this.#open) throw new StoreUnavailableError("the dispatcher is closed");
      if (this.#calls.size >= MAX_CALLS) {
        throw new StoreUnavailableError("too many calls under way");
      }
      const call = ++this.#lastCall;
      this.port.postMessage({ call, method, args } as Request);
      const timer = setTimeout(() => {
        this.#calls.delete(call);
        reject(new StoreUnavailableError("the dispatcher did not answer"));
      }, CALL_MS + waitMs);
      this.#calls.set(call, { method, resolve, reject, timer });
    });
    return answered as ReturnType<Dispatch[M]>;
  }

  #settle(answer: Answer): void {
    if (answer.kind === "closed") return this.#close();
    const call = this.#calls.get(answer.call);
    // Its time was over: entries in a late answer stay pending until they are reclaimed.
    if (call === undefined) return;
    this.#calls.delete(answer.call);
    clearTimeout(call.timer);
    if (answer.kind === "answer") call.resolve(answer.value);
    else call.reject(new StoreUnavailableError(answer.message));
  }

  /** Waiting reads end empty, all else has failed. */
  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.port.close();
    for (const { method, resolve, reject, timer } of this.#calls.values()) {
      clearTimeout(timer);
      if (method === "read") resolve([]);
      else reject(new StoreUnavailableError("the dispatcher was closed"));
    }
    this.#calls.clear();
  }
}
