/**
 * Ports for servers that come and go at the same place. Below the range the system takes ports for
 * outgoing connections from, so that none is taken while its server is away.
 */
const FIRST = 22_000;
const COUNT = 1_000;

/** Different ports nobody listens on at the moment. */
export function freePorts(count: number): readonly number[] {
  const listeners: Deno.Listener[] = [];
  const start = Math.floor(Math.random() * COUNT);
  try {
    for (let step = 0; step < COUNT && listeners.length < count; step++) {
      const port = FIRST + (start + step) % COUNT;
      try {
        listeners.push(Deno.listen({ hostname: "127.0.0.1", port }));
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      }
    }
    if (listeners.length < count) throw new Error("no free port");
    return listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  } finally {
    for (const listener of listeners) listener.close();
  }
}
