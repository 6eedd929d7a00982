/** A filter of a test's own: each connection is handled by what the test wants. */
import type { FilterAddress } from "../filter_address.ts";

export class ScriptedFilter implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns = new Set<Deno.Conn>();
  readonly #running: Promise<void>[] = [];
  readonly #accepting: Promise<void>;
  connections = 0;

  constructor(serve: (conn: Deno.Conn) => Promise<void>) {
    this.#accepting = this.#accept(serve);
  }

  get address(): FilterAddress {
    const { port } = this.#listener.addr as Deno.NetAddr;
    return { transport: "tcp", host: "127.0.0.1", port };
  }

  async #accept(serve: (conn: Deno.Conn) => Promise<void>): Promise<void> {
    try {
      for (;;) {
        const conn = await this.#listener.accept();
        this.connections++;
        this.#conns.add(conn);
        this.#running.push(serve(conn).catch(() => {}).finally(() => this.#close(conn)));
      }
    } catch {
      // Closed.
    }
  }

  #close(conn: Deno.Conn): void {
    if (this.#conns.delete(conn)) conn.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) this.#close(conn);
    await Promise.all([this.#accepting, ...this.#running]);
  }
}

/** Reads until the other side ends; what came is not kept. */
export async function drain(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  while (await conn.read(buffer) !== null);
}

/** Says the same over and over until the other side is gone. */
export async function sayForEver(
  conn: Deno.Conn,
  octets: Uint8Array,
  pauseMs = 0,
): Promise<void> {
  for (;;) {
    for (let at = 0; at < octets.length;) at += await conn.write(octets.subarray(at));
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
