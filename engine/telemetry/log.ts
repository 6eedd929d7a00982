/**
 * The log of a thread: LogTape routes and filters, lines go to standard output through a bounded
 * buffer. Every thread configures its own. What the events say is in `events.ts`.
 */
import { configureSync, getLogger, type Logger, type LogLevel, resetSync } from "@logtape/logtape";
import { type Formatter, jsonFormatter, prettyFormatter } from "./log_format.ts";
import { LineBuffer } from "./line_buffer.ts";

const ROOT_CATEGORY = "sluice";
const FLUSH_AFTER_MS = 100;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "json" | "pretty";
  /** Stands in each line, such as `session-1`. */
  readonly thread?: string;
  /** Colours in the pretty format. */
  readonly color?: boolean;
  /** Writes octets at once, answering how many; left out, to standard output. */
  readonly write?: (chunk: Uint8Array) => number;
}

/** A configured log: disposing of it writes what is left and silences the thread. */
export interface Log extends Disposable {
  /** Writes what has been collected. */
  flush(): void;
}

/** Starts this thread's log, replacing an earlier one. */
export function configureLog(options: LogOptions): Log {
  const format = options.format === "json" ? jsonFormatter(options) : prettyFormatter(options);
  const buffer = new LineBuffer({
    write: options.write ?? ((chunk) => Deno.stdout.writeSync(chunk)),
    flushAfterMs: FLUSH_AFTER_MS,
    lostLine: (lines) => format(lostRecord(lines)),
  });
  configureSync({
    reset: true,
    sinks: { lines: lineSink(buffer, format) },
    loggers: [
      { category: [], sinks: ["lines"], lowestLevel: options.level },
      {
        category: ["logtape", "meta"],
        parentSinks: "override",
        sinks: ["lines"],
        lowestLevel: "error",
      },
    ],
  });
  return { flush: () => buffer.flush(), [Symbol.dispose]: () => resetSync() };
}

/** The logger of a part of the server, such as `delivery`. */
export function logOf(part: string): Logger {
  return getLogger([ROOT_CATEGORY, part]);
}

/** Errors are written at once: the thread may not live to the next flush. */
function lineSink(buffer: LineBuffer, format: Formatter) {
  const sink = (record: Parameters<Formatter>[0]) => {
    buffer.push(format(record));
    if (record.level === "error" || record.level === "fatal") buffer.flush();
  };
  return Object.assign(sink, { [Symbol.dispose]: () => buffer[Symbol.dispose]() });
}

function lostRecord(lines: number): Parameters<Formatter>[0] {
  const text = `${lines} log lines lost: their reader was too slow or gone`;
  return {
    category: [ROOT_CATEGORY, "log"],
    level: "warning",
    message: [text],
    rawMessage: text,
    timestamp: Date.now(),
    properties: { event: "lines_lost", lines },
  };
}
