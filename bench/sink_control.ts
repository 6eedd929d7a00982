/**
 * The run's end of a next hop: starts one and asks it what came.
 * `smtp-sink` counts and costs little; the stamping sink also tells latencies and serials.
 */

import { benchProgram, installed, listening, type Started, startLogged, stop } from "./process.ts";
import type { Workplace } from "./process.ts";
import type { SinkCount, SinkReport } from "./sink.ts";

/** Counts what arrives. */
export interface CountingSink extends AsyncDisposable {
  readonly pid: number;
  /** Messages since it started or was last reset, and when the last of them came. */
  count(): Promise<SinkCount>;
}

/** Also reads the stamps of what arrives. */
export interface StampingSink extends CountingSink {
  /** Forgets everything and expects serials below `serials`. */
  reset(serials: number): Promise<void>;
  report(): Promise<SinkReport>;
}

/** The cheapest sink there is on this machine. */
export async function startCountingSink(workplace: Workplace): Promise<CountingSink> {
  if (!await installed("smtp-sink")) return startStampingSink(workplace);
  return startSmtpSink(workplace, []);
}

/** `smtp-sink` as a mailbox server (RFC 2033); it writes each message into a directory, if one is given. */
export function startLmtpSink(
  workplace: Workplace,
  options: { readonly dumpDirectory: string | null },
): Promise<CountingSink> {
  const { dumpDirectory } = options;
  return startSmtpSink(workplace, [
    "-L",
    ...(dumpDirectory === null ? [] : ["-d", `${dumpDirectory}/%M.`]),
  ]);
}

async function startSmtpSink(
  workplace: Workplace,
  flags: readonly string[],
): Promise<CountingSink> {
  const port = workplace.port("sink");
  const logPath = `${workplace.directory}/smtp-sink.log`;
  await Deno.writeTextFile(logPath, "");
  const user = Deno.uid() === 0 ? ["-u", "nobody"] : [];
  const child = startLogged(["smtp-sink", ...user, ...flags, "-c", `127.0.0.1:${port}`, "1024"], {
    logPath,
  });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => stop(child));
  await listening(port, { signal: workplace.signal, child, logPath });
  cleanup.move();
  return {
    pid: child.pid,
    count: () => countedBy(logPath),
    [Symbol.asyncDispose]: () => stop(child),
  };
}

/** `smtp-sink -c` writes `… mesg=N` and a carriage return after every message it takes. */
async function countedBy(logPath: string): Promise<SinkCount> {
  using file = await Deno.open(logPath);
  const { size, mtime } = await file.stat();
  await file.seek(Math.max(0, size - 200), Deno.SeekMode.Start);
  const buffer = new Uint8Array(200);
  const read = await file.read(buffer) ?? 0;
  const text = new TextDecoder().decode(buffer.subarray(0, read));
  const counts = [...text.matchAll(/mesg=(\d+)\s*\r/g)];
  return { arrived: Number(counts.at(-1)?.[1] ?? 0), lastAtMs: mtime?.getTime() ?? 0 };
}

/** The sink of this folder, in a process of its own. */
export async function startStampingSink(workplace: Workplace): Promise<StampingSink> {
  const port = workplace.port("sink");
  const [command, ...args] = benchProgram("sink.ts", String(port));
  const process = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const child: Started = {
    pid: process.pid,
    exited: process.status.then((status) => status.code),
  };
  const writer = process.stdin.getWriter();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let unread = "";
  const ask = async <T>(command: string): Promise<T> => {
    await writer.write(new TextEncoder().encode(`${command}\n`));
    let end;
    while ((end = unread.indexOf("\n")) === -1) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the sink has ended");
      unread += value;
    }
    const line = unread.slice(0, end);
    unread = unread.slice(end + 1);
    return JSON.parse(line);
  };
  const close = async () => {
    await writer.close().catch(() => {});
    await stop(child);
    await reader.cancel();
  };
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(close);
  await listening(port, { signal: workplace.signal, child });
  cleanup.move();
  return {
    pid: child.pid,
    count: () => ask<SinkCount>("count"),
    report: () => ask<SinkReport>("report"),
    reset: async (serials) => void await ask(`reset ${serials}`),
    [Symbol.asyncDispose]: close,
  };
}
