/** The server as its users run it: a process with an environment, which can be killed and come back. */
import { freePorts } from "../fixtures/ports.ts";
import { until } from "../fixtures/process.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const PERMISSIONS = ["net", "read", "write", "env", "sys", "ffi"].map((name) => `--allow-${name}`);
const READY_MS = 60_000;
const KEPT_LINES = 200;

export interface SluiceOptions {
  readonly env: Readonly<Record<string, string>>;
  /** The same for every life of it. */
  readonly dataDir: string;
  /** Lets a debugger in, see `inspectorUrl`. */
  readonly inspect?: boolean;
}

/** What the log told, over all lives. */
export interface Told {
  /** Deliveries whose leases were ended because their worker or node had died. */
  abandoned: number;
  /** Lines of level error and above, and of standard error, the latest ones. */
  readonly errors: string[];
}

export class Sluice implements AsyncDisposable {
  readonly smtpPort: number;
  readonly httpPort: number;
  readonly inspectorUrl: string;
  readonly told: Told = { abandoned: 0, errors: [] };
  readonly #options: SluiceOptions;
  readonly #inspectorPort: number;
  #process: Deno.ChildProcess | null = null;
  #read: Promise<unknown> = Promise.resolve();

  constructor(options: SluiceOptions) {
    this.#options = options;
    [this.smtpPort, this.httpPort, this.#inspectorPort] = freePorts(3);
    this.inspectorUrl = `http://127.0.0.1:${this.#inspectorPort}`;
  }

  /** Resolves once it is ready. */
  async start(): Promise<void> {
    this.launch();
    await this.ready();
  }

  launch(): void {
    const { env, dataDir, inspect } = this.#options;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        ...(inspect ? [`--inspect=127.0.0.1:${this.#inspectorPort}`] : []),
        ...PERMISSIONS,
        "engine/main.ts",
      ],
      cwd: ROOT,
      env: {
        SERVER_HOSTNAME: "sluice.chaos.test",
        LISTEN_ADDRESS: "127.0.0.1",
        SMTP_PORT: `${this.smtpPort}`,
        SUBMISSION_PORT: "0",
        SMTPS_PORT: "0",
        HTTP_PORT: `${this.httpPort}`,
        DATA_DIR: dataDir,
        DATABASE_URL: "",
        REDIS_URL: "",
        RELAY_NETWORKS: "127.0.0.0/8",
        SESSION_WORKERS: "2",
        DELIVERY_WORKERS: "2",
        RETRY_FIRST_DELAY_S: "0.5",
        RETRY_MAX_DELAY_S: "2",
        LOG_LEVEL: "info",
        LOG_FORMAT: "json",
        NO_COLOR: "1",
        ...env,
      },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#process = child;
    this.#read = Promise.all([
      eachLine(child.stdout, (line) => this.#onLogLine(line)),
      eachLine(child.stderr, (line) => this.#keep(line)),
    ]);
  }

  async ready(): Promise<void> {
    const child = this.#process!;
    let code: number | null = null;
    child.status.then((status) => code = status.code);
    await until(async () => {
      if (code !== null) throw new Error(`ended with ${code}: ${this.told.errors.join("\n")}`);
      return await this.isReady();
    }, READY_MS);
  }

  async isReady(): Promise<boolean> {
    return (await this.#get("/readyz")) !== null;
  }

  /** Deliveries in the spool by the metrics; `null` when nothing answers. */
  async unfinished(): Promise<number | null> {
    return sumOf(await this.#get("/metrics"), "smtp_queue_deliveries");
  }

  /** Session and delivery workers that died in this life of it. */
  async workerDeaths(): Promise<number | null> {
    const metrics = await this.#get("/metrics");
    const counts = ["session", "delivery"].map((kind) =>
      sumOf(metrics, `smtp_worker_restarts_total{kind="${kind}"`)
    );
    return counts.reduce((sum, count) => sum === null || count === null ? null : sum + count);
  }

  /** What the owners of its leases begin with. */
  async nodeName(): Promise<string> {
    return (await Deno.readTextFile(`${this.#options.dataDir}/node`)).trim();
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks it to stop; answers its exit code. */
  async stop(): Promise<number> {
    return await this.#end("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #end(signal: Deno.Signal): Promise<number> {
    const child = this.#process;
    this.#process = null;
    if (child === null) return 0;
    try {
      child.kill(signal);
    } catch {
      // It ended by itself, which its status tells.
    }
    const { code } = await child.status;
    await this.#read;
    return code;
  }

  async #get(path: string): Promise<string | null> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.httpPort}${path}`, {
        signal: AbortSignal.timeout(5_000),
      });
      const text = await response.text();
      return response.ok ? text : null;
    } catch {
      return null;
    }
  }

  #onLogLine(line: string): void {
    if (line.includes('"level":"error"') || line.includes('"level":"fatal"')) this.#keep(line);
    if (!line.includes('"event":"requeued"')) return;
    const { reason, count } = JSON.parse(line);
    if (reason === "abandoned") this.told.abandoned += count;
  }

  #keep(line: string): void {
    this.told.errors.push(line);
    if (this.told.errors.length > KEPT_LINES) this.told.errors.shift();
  }
}

async function eachLine(
  stream: ReadableStream<Uint8Array>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line !== "") onLine(line);
  }
}

function sumOf(metrics: string | null, name: string): number | null {
  if (metrics === null) return null;
  return metrics.split("\n").filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
