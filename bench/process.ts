/**
 * Starting, watching and ending the programs of a run, each by its own process id.
 */

/** Where a run keeps its files, which ports it may use, and how it is told to stop. */
export interface Workplace {
  /** Private to this run; every store of both sides lies in it, so on one file system. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** The port at a fixed offset from the first one of the run. */
  port(use: PortUse): number;
}

export type PortUse =
  | "postfix"
  | "sluice"
  | "sluiceHttp"
  | "postgres"
  | "redis"
  | "sink"
  | "dns"
  | "rspamdMilter"
  | "rspamdControl"
  | "rspamdRedis";

export const portOffsets: Readonly<Record<PortUse, number>> = {
  postfix: 0,
  sluice: 1,
  sluiceHttp: 2,
  postgres: 3,
  redis: 4,
  sink: 5,
  dns: 6,
  rspamdMilter: 7,
  rspamdControl: 8,
  rspamdRedis: 9,
};

export interface Started {
  readonly pid: number;
  /** Exit code; never rejects. */
  readonly exited: Promise<number>;
}

/**
 * Runs a command to its end and gives its standard output.
 * @throws {Error} with what it wrote to standard error, when it fails.
 */
export async function run(command: string, args: readonly string[]): Promise<string> {
  const output = await new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (output.success) return text(output.stdout);
  const said = (text(output.stderr) + text(output.stdout)).trim().slice(-600);
  throw new Error(`${command} ${args[0] ?? ""} ended with ${output.code}: ${said}`);
}

/** Whether a program of that name can be run. */
export async function installed(command: string): Promise<boolean> {
  try {
    await run("sh", ["-c", 'command -v "$1"', "sh", command]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a program whose output goes straight to a file, without passing through this process.
 * `exec` keeps the shell's process id for the program.
 */
export function startLogged(
  command: readonly string[],
  options: { logPath: string; env?: Record<string, string>; cwd?: string },
): Started {
  const child = new Deno.Command("sh", {
    args: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", options.logPath, ...command],
    env: options.env,
    cwd: options.cwd,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  return { pid: child.pid, exited: child.status.then((status) => status.code) };
}

/** Polls until `check` gives something other than `null`. */
export async function poll<T>(
  check: () => T | null | Promise<T | null>,
  options: { what: string; deadlineMs: number; everyMs: number; signal: AbortSignal },
): Promise<T> {
  const endAtMs = performance.now() + options.deadlineMs;
  while (true) {
    options.signal.throwIfAborted();
    const found = await check();
    if (found !== null) return found;
    if (performance.now() > endAtMs) {
      throw new Error(`${options.what}: not within ${Math.round(options.deadlineMs / 1000)} s`);
    }
    await pause(options.everyMs, options.signal);
  }
}

/** @throws the signal's reason as soon as it is aborted. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Resolves once something listens there; says nothing to it. */
export function listening(
  port: number,
  options: { signal: AbortSignal; child?: Started; logPath?: string; deadlineMs?: number },
): Promise<true> {
  let exitCode: number | null = null;
  void options.child?.exited.then((code) => exitCode = code);
  return poll(async () => {
    if (exitCode !== null) {
      const log = options.logPath ? await tailOf(options.logPath) : "";
      throw new Error(`ended with ${exitCode} before it listened on ${port}: ${log}`);
    }
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true as const;
    } catch {
      return null;
    }
  }, {
    what: `listening on port ${port}`,
    deadlineMs: options.deadlineMs ?? 30_000,
    everyMs: 50,
    signal: options.signal,
  });
}

/** Last part of a log, for an error message. */
export async function tailOf(path: string): Promise<string> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return text.trim().slice(-800);
}

/** Sends a signal to a process that may be gone. */
export function signalTo(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
}

/** Asks a child to end and, after the grace, ends it. */
export async function stop(
  child: Started,
  options: { signal?: Deno.Signal; graceMs?: number } = {},
): Promise<void> {
  signalTo(child.pid, options.signal ?? "SIGTERM");
  let timer: ReturnType<typeof setTimeout> | undefined;
  const grace = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), options.graceMs ?? 10_000);
  });
  const code = await Promise.race([child.exited, grace]);
  clearTimeout(timer);
  if (code !== null) return;
  signalTo(child.pid, "SIGKILL");
  await child.exited;
}

/** How to become `user`; nothing when this process is not root. */
export function asUser(user: string): readonly string[] {
  if (Deno.uid() !== 0) return [];
  return ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups", "--"];
}

/** A program of this folder, run by this Deno with the loopback, and perhaps a file, as its only permission. */
export function benchProgram(
  name: string,
  argument: string,
  readable: string | null = null,
): readonly string[] {
  const path = new URL(name, import.meta.url).pathname;
  const flags = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--allow-net=127.0.0.0/8"];
  const reading = readable === null ? [] : [`--allow-read=${readable}`];
  return [Deno.execPath(), "run", ...flags, ...reading, path, argument];
}
