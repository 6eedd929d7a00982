/** Runs the load generators, each in a process of its own, and waits for what they report. */

import type { FloodOrder, FloodReport } from "./load_flood.ts";
import type { IdleOrder, IdleReport } from "./load_idle.ts";
import type { MessagesOrder } from "./load_messages.ts";
import type { PacedOrder, PacedReport } from "./load_paced.ts";
import type { TlsOrder, TlsReport } from "./load_tls.ts";
import { benchProgram, installed, poll, signalTo, stop } from "./process.ts";

/** `smtp-source` where there is one, for it costs least. */
export async function chooseFloodTool(): Promise<"smtp-source" | "load_flood.ts"> {
  return await installed("smtp-source") ? "smtp-source" : "load_flood.ts";
}

/**
 * Sends all messages of the order as fast as they are taken.
 * @throws {Error} when a single one is refused.
 */
export async function flood(
  order: FloodOrder,
  options: { tool: "smtp-source" | "load_flood.ts"; signal: AbortSignal },
): Promise<FloodReport> {
  if (options.tool === "load_flood.ts") {
    const report = await programReport<FloodReport>("load_flood.ts", order, options.signal);
    if (report.accepted !== order.messages) throw new Error("the flood was cut short");
    return report;
  }
  const startedAtMs = performance.now();
  await runUntil("smtp-source", [
    ...(order.keepConnections ? ["-d"] : []),
    ...["-s", String(order.sessions), "-m", String(order.messages)],
    ...["-l", String(order.sizeOctets), "-M", "load.bench.test"],
    ...["-f", "load@bench.test", "-t", "sink@bench.test"],
    `inet:${order.host}:${order.port}`,
  ], options.signal);
  return { accepted: order.messages, seconds: (performance.now() - startedAtMs) / 1000 };
}

/**
 * Sends mail made beforehand as fast as it is taken.
 * @throws {Error} when a single message is refused.
 */
export async function sendMessages(
  order: MessagesOrder,
  signal: AbortSignal,
): Promise<FloodReport> {
  const [command, ...args] = benchProgram("load_messages.ts", JSON.stringify(order), order.path);
  const report: FloodReport = JSON.parse(await runUntil(command, args, signal));
  if (report.accepted !== order.messages) throw new Error("the mail was cut short");
  return report;
}

/** Full handshakes by STARTTLS. */
export function shakeHands(order: TlsOrder, signal: AbortSignal): Promise<TlsReport> {
  return programReport<TlsReport>("load_tls.ts", order, signal);
}

/** Sends at a fixed pace. */
export function sendPaced(order: PacedOrder, signal: AbortSignal): Promise<PacedReport> {
  return programReport<PacedReport>("load_paced.ts", order, signal);
}

/** Idle connections, closed when disposed of. */
export interface IdleConnections extends AsyncDisposable {
  /** How many of them are still open. */
  open(): Promise<number>;
}

/** Resolves once all are open and greeted. */
export async function holdIdle(order: IdleOrder, signal: AbortSignal): Promise<IdleConnections> {
  const [command, ...args] = benchProgram("load_idle.ts", JSON.stringify(order));
  const process = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const child = { pid: process.pid, exited: process.status.then((status) => status.code) };
  const writer = process.stdin.getWriter();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const nextReport = async (): Promise<number> => {
    const { value, done } = await reader.read();
    if (done) throw new Error("idle connections could not be opened");
    return (JSON.parse(value) as IdleReport).open;
  };
  const close = async () => {
    await writer.close().catch(() => {});
    await stop(child);
    await reader.cancel();
  };
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(close);
  let open: number | null = null;
  const first = nextReport().then((count) => open = count);
  first.catch(() => {});
  await Promise.race([
    first,
    poll(() => open, {
      what: `opening ${order.connections} connections`,
      deadlineMs: 120_000,
      everyMs: 100,
      signal,
    }),
  ]);
  cleanup.move();
  return {
    open: async () => {
      await writer.write(new TextEncoder().encode("open?\n"));
      return nextReport();
    },
    [Symbol.asyncDispose]: close,
  };
}

async function programReport<T>(name: string, order: object, signal: AbortSignal): Promise<T> {
  const [command, ...args] = benchProgram(name, JSON.stringify(order));
  return JSON.parse(await runUntil(command, args, signal));
}

/** Like `run`, but ended when the run is. */
async function runUntil(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const process = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const onAbort = () => signalTo(process.pid, "SIGKILL");
  signal.addEventListener("abort", onAbort, { once: true });
  const output = await process.output();
  signal.removeEventListener("abort", onAbort);
  signal.throwIfAborted();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (output.success) return text(output.stdout);
  throw new Error(`${command} ended with ${output.code}: ${text(output.stderr).trim()}`);
}
