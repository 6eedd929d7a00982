/**
 * Starts and ends Sluice the way its users do: `deno task serve`, with its environment as the only
 * contract. Knows nothing of its inside.
 */

import { processIdsBelow } from "../machine.ts";
import {
  poll,
  run,
  signalTo,
  type Started,
  startLogged,
  tailOf,
  type Workplace,
} from "../process.ts";
import type { Contender, Role, RunningServer } from "./contender.ts";
import type { PrivatePostgres } from "./postgres.ts";
import type { PrivateRedis } from "./redis.ts";

/** The real stores, or none: then Sluice brings its own. */
export interface SluiceStores {
  readonly postgres: PrivatePostgres;
  readonly redis: PrivateRedis;
}

export interface SluiceOptions {
  readonly stores: SluiceStores | null;
  /** Thread counts; left out, Sluice decides by the cores. */
  readonly sessionWorkers: number | null;
  readonly deliveryWorkers: number | null;
  /** PEM files to serve; left out, Sluice makes its own. */
  readonly certificate?: { readonly certPath: string; readonly keyPath: string };
  /** Variables beside and instead of those of a relay. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Done once it is ready, by its own commands. */
  readonly prepare?: (command: SluiceCommand) => Promise<void>;
}

/** `deno task cli` with these words, at the server that was started. */
export type SluiceCommand = (...words: readonly string[]) => Promise<string>;

export function sluiceContender(workplace: Workplace, options: SluiceOptions): Contender {
  let instance = 0;
  return {
    side: "sluice",
    start: (role) => startSluice(workplace, { ...options, role, instance: instance++ }),
  };
}

async function startSluice(
  workplace: Workplace,
  options: SluiceOptions & { role: Role; instance: number },
): Promise<RunningServer> {
  const { stores } = options;
  const root = new URL("../..", import.meta.url).pathname;
  const directory = `${workplace.directory}/sluice-${options.instance}`;
  const logPath = `${directory}/log`;
  const database = `sluice_${options.instance}`;
  const smtpPort = workplace.port("sluice");
  const httpPort = workplace.port("sluiceHttp");
  await using cleanup = new AsyncDisposableStack();
  await Deno.mkdir(directory);
  cleanup.defer(() => Deno.remove(directory, { recursive: true }));

  const env: Record<string, string> = {
    SERVER_HOSTNAME: "sluice.bench.test",
    SERVER_DOMAIN: "sluice.bench.test",
    LISTEN_ADDRESS: "127.0.0.1",
    SMTP_PORT: String(smtpPort),
    SUBMISSION_PORT: "0",
    SMTPS_PORT: "0",
    HTTP_PORT: String(httpPort),
    DATA_DIR: `${directory}/data`,
    RELAY_NETWORKS: "127.0.0.0/8,::1",
    SMARTHOST: `smtp://127.0.0.1:${workplace.port("sink")}`,
    // What an operator would run with; Postfix logs each message too.
    LOG_LEVEL: "info",
    LOG_FORMAT: "json",
  };
  if (options.certificate !== undefined) {
    env.TLS_CERT_PATH = options.certificate.certPath;
    env.TLS_KEY_PATH = options.certificate.keyPath;
  }
  if (options.sessionWorkers !== null) env.SESSION_WORKERS = String(options.sessionWorkers);
  if (options.deliveryWorkers !== null) env.DELIVERY_WORKERS = String(options.deliveryWorkers);
  // A server that only accepts: what Postfix does with mail on hold.
  if (options.role === "hold") env.DELIVERY_WORKERS = "0";
  if (stores !== null) {
    await stores.redis.flush();
    env.DATABASE_URL = await stores.postgres.freshDatabase(database);
    env.REDIS_URL = stores.redis.url;
    cleanup.defer(() => stores.postgres.dropDatabase(database));
  }

  Object.assign(env, options.settings);

  const child = startLogged([Deno.execPath(), "task", "--quiet", "serve"], {
    logPath,
    env,
    cwd: root,
  });
  cleanup.defer(() => stopSluice(child));
  await ready(child, { httpPort, logPath, signal: workplace.signal });
  const cli = [Deno.execPath(), "task", "--quiet", "cli"];
  await options.prepare?.((...words) =>
    run("env", ["-C", root, ...assignments(env), ...cli, ...words])
  );
  const owned = cleanup.move();
  return {
    smtpPort,
    roots: {
      server: [child.pid],
      ...(stores === null ? {} : { postgres: [stores.postgres.pid], redis: [stores.redis.pid] }),
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function assignments(env: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

async function ready(
  child: Started,
  options: { httpPort: number; logPath: string; signal: AbortSignal },
): Promise<void> {
  let exitCode: number | null = null;
  void child.exited.then((code) => exitCode = code);
  const check = async () => {
    if (exitCode !== null) throw new Error(`ended with ${exitCode}`);
    try {
      const response = await fetch(`http://127.0.0.1:${options.httpPort}/readyz`);
      await response.body?.cancel();
      return response.ok ? true : null;
    } catch {
      return null;
    }
  };
  const what = "/readyz answering 200";
  await poll(check, { what, deadlineMs: 60_000, everyMs: 100, signal: options.signal })
    .catch(async (cause) => {
      throw new Error(`Sluice: ${cause.message}: ${await tailOf(options.logPath)}`, { cause });
    });
}

/**
 * `deno task` passes signals on to the server, which then drains; whatever of the tree outlives the
 * grace is ended.
 */
async function stopSluice(child: Started): Promise<void> {
  const pids = await processIdsBelow(child.pid);
  signalTo(child.pid, "SIGTERM");
  const timer = setTimeout(() => pids.forEach((pid) => signalTo(pid, "SIGKILL")), 15_000);
  await child.exited;
  clearTimeout(timer);
  for (const pid of await stillRunning(pids)) signalTo(pid, "SIGKILL");
}

async function stillRunning(pids: readonly number[]): Promise<readonly number[]> {
  const alive = await Promise.all(pids.map((pid) => processIdsBelow(pid)));
  return alive.flat();
}
