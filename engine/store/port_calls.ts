/**
 * Calls over a message port: a worker asks, the main thread answers in any order, matched by number.
 * Ports have no back-pressure, so each side bounds the calls under way; a worker that dies takes its
 * calls with it and nothing else. Does not know what is asked.
 */
import { MessageChannel as NodeMessageChannel } from "node:worker_threads";
import { StoreUnavailableError } from "./errors.ts";

/** Calls of one port that may be under way at once. */
const MAX_CALLS = 1_024;
/** How long a call may take besides the time it asked to wait. */
const CALL_MS = 5_000;

/** What a worker asks, its arguments as the method takes them. */
export interface PortRequest {
  readonly call: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

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
export function callChannel(): { readonly hub: HubPort; readonly worker: MessagePort } {
  const { port1, port2 } = new NodeMessageChannel();
  return { hub: port1, worker: port2 as unknown as MessagePort };
}

/**
 * Answers the calls of a port until it closes or is disposed.
 * @param perform what it throws fails the call; the signal tells that nobody waits any more.
 */
export function serveCalls(
  port: HubPort,
  perform: (request: PortRequest, signal: AbortSignal) => Promise<unknown>,
): Disposable {
  const closing = new AbortController();
  let underWay = 0;
  const post = (answer: Answer) => {
    if (!closing.signal.aborted) port.postMessage(answer);
  };
  const serve = async (request: PortRequest) => {
    const { call } = request;
    underWay++;
    try {
      if (underWay > MAX_CALLS) throw new StoreUnavailableError("too many calls under way");
      post({ kind: "answer", call, value: await perform(request, closing.signal) });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      post({ kind: "fault", call, message });
    } finally {
      underWay--;
    }
  };
  port.on("message", (message) => void serve(message as PortRequest));
  port.on("close", () => closing.abort());
  return {
    [Symbol.dispose]() {
      post({ kind: "closed" });
      closing.abort();
      port.close();
    },
  };
}

export interface CallOptions {
  /** How long the call itself may wait at the other end. */
  readonly waitMs?: number;
  /** What the call answers when the port closes under it; without it, it fails. */
  readonly whenClosed?: unknown;
}

interface Call {
  readonly options: CallOptions;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: StoreUnavailableError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** A worker's end of a channel. */
export class PortCaller {
  #calls = new Map<number, Call>();
  #lastCall = 0;
  #open = true;

  /** @param name what is called, for the texts of errors, such as `the dispatcher`. */
  constructor(private readonly port: MessagePort, private readonly name: string) {
    port.onmessage = (event: MessageEvent<Answer>) => this.#settle(event.data);
  }

  /** @throws {StoreUnavailableError} when the call failed, was not answered in time, or one too many. */
  call(method: string, args: readonly unknown[], options: CallOptions = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#open) throw new StoreUnavailableError(`${this.name} is closed`);
      if (this.#calls.size >= MAX_CALLS) {
        throw new StoreUnavailableError("too many calls under way");
      }
      const call = ++this.#lastCall;
      this.port.postMessage({ call, method, args } satisfies PortRequest);
      const timer = setTimeout(() => {
        this.#calls.delete(call);
        reject(new StoreUnavailableError(`${this.name} did not answer`));
      }, CALL_MS + (options.waitMs ?? 0));
      this.#calls.set(call, { options, resolve, reject, timer });
    });
  }

  /** Closes the port; calls under way end as their options say. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.port.close();
    for (const { options, resolve, reject, timer } of this.#calls.values()) {
      clearTimeout(timer);
      if ("whenClosed" in options) resolve(options.whenClosed);
      else reject(new StoreUnavailableError(`${this.name} was closed`));
    }
    this.#calls.clear();
  }

  #settle(answer: Answer): void {
    if (answer.kind === "closed") return this.close();
    const call = this.#calls.get(answer.call);
    // Its time was over.
    if (call === undefined) return;
    this.#calls.delete(answer.call);
    clearTimeout(call.timer);
    if (answer.kind === "answer") call.resolve(answer.value);
    else call.reject(new StoreUnavailableError(answer.message));
  }
}
