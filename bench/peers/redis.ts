/** A private Redis for the run, without persistence: it carries only what Postgres can restore. */

import { listening, startLogged, stop, type Workplace } from "../process.ts";

export interface PrivateRedis extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  /** Forgets everything. */
  flush(): Promise<void>;
}

export async function startRedis(workplace: Workplace): Promise<PrivateRedis> {
  const port = workplace.port("redis");
  const logPath = `${workplace.directory}/redis.log`;
  const child = startLogged([
    "redis-server",
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", workplace.directory],
    ...["--save", "", "--appendonly", "no", "--daemonize", "no"],
  ], { logPath });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => stop(child));
  await listening(port, { signal: workplace.signal, child, logPath });
  const owned = cleanup.move();
  return {
    pid: child.pid,
    url: `redis://127.0.0.1:${port}`,
    flush: () => flushAll(port),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function flushAll(port: number): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode("FLUSHALL\r\n"));
  const buffer = new Uint8Array(64);
  const read = await connection.read(buffer) ?? 0;
  const reply = new TextDecoder().decode(buffer.subarray(0, read));
  if (reply !== "+OK\r\n") throw new Error(`Redis answered FLUSHALL with "${reply.trim()}"`);
}
