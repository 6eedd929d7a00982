/** A redis-server of a test's own, on loopback, which can be killed and started again. */
import { once } from "node:events";
import net from "node:net";

const PORTS = { first: 16000, last: 16099 };

/** Whether the machine has a redis-server. */
export function hasRedisServer(): boolean {
  try {
    return new Deno.Command("redis-server", { args: ["--version"] }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export class RedisTestServer implements AsyncDisposable {
  #process: Deno.ChildProcess | null = null;

  private constructor(readonly port: number, private readonly folder: string) {}

  /** Starts a server that keeps nothing on disk but by `SAVE`. */
  static async start(): Promise<RedisTestServer> {
    const server = new RedisTestServer(freePort(), await Deno.makeTempDir());
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const args = ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.folder];
    this.#process = new Deno.Command("redis-server", {
      args: [...args, "--save", "", "--appendonly", "no"],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const untilMs = performance.now() + 5_000;
    while (!await answersPing(this.port)) {
      if (performance.now() > untilMs) throw new Error("redis-server did not start");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  signal(signal: Deno.Signal): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#process?.status;
    this.#process = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function freePort(): number {
  for (let port = PORTS.first; port <= PORTS.last; port++) {
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("no free port for redis-server");
}

async function answersPing(port: number): Promise<boolean> {
  const socket = net.connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    socket.write("PING\r\n");
    const [answer] = await once(socket, "data");
    return String(answer).startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
