/**
 * A connection to a filter, over TCP or a unix socket. Whatever ends it, its time included, is a value; whoever
 * reads bounds what he keeps, since nothing is read ahead of him.
 */
import type { FilterAddress } from "./filter_address.ts";

const READ_OCTETS = 16_384;

export class FilterSocket implements Disposable {
  readonly #conn: Deno.Conn;
  readonly #buffer = new Uint8Array(READ_OCTETS);
  #isClosed = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** `null` when nobody is there, or the time is over. */
  static async connect(address: FilterAddress, signal: AbortSignal): Promise<FilterSocket | null> {
    if (signal.aborted) return null;
    const { promise: aborted, resolve: abort } = Promise.withResolvers<null>();
    const onAbort = () => abort(null);
    signal.addEventListener("abort", onAbort, { once: true });
    const connecting = connectTo(address, signal);
    const socket = await Promise.race([connecting, aborted]);
    signal.removeEventListener("abort", onAbort);
    // Nothing ends the connecting itself everywhere: what comes of it is not wanted any more.
    if (socket === null) connecting.then((late) => late?.[Symbol.dispose]());
    return socket;
  }

  static wrap(conn: Deno.Conn): FilterSocket {
    return new FilterSocket(conn);
  }

  /** Ends whatever is under way when the signal is aborted; until what it returns is called. */
  closeOn(signal: AbortSignal): () => void {
    const close = () => this[Symbol.dispose]();
    if (signal.aborted) close();
    signal.addEventListener("abort", close, { once: true });
    return () => signal.removeEventListener("abort", close);
  }

  /** Resolves once the other side took them; false when it will not. */
  async write(octets: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < octets.length;) {
        at += await this.#conn.write(at === 0 ? octets : octets.subarray(at));
      }
      return true;
    } catch {
      return false;
    }
  }

  /** What came next, valid until the next call; `null` at the end, however it came about. */
  async read(): Promise<Uint8Array | null> {
    try {
      const octets = await this.#conn.read(this.#buffer);
      return octets === null ? null : this.#buffer.subarray(0, octets);
    } catch {
      return null;
    }
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }
}

async function connectTo(
  address: FilterAddress,
  signal: AbortSignal,
): Promise<FilterSocket | null> {
  try {
    if (address.transport === "unix") return FilterSocket.wrap(await Deno.connect(address));
    const { host: hostname, port } = address;
    const conn = await Deno.connect({ hostname, port, signal });
    // Small packets go back and forth: none waits for another.
    conn.setNoDelay(true);
    return FilterSocket.wrap(conn);
  } catch {
    return null;
  }
}
