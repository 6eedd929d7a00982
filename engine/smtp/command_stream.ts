/**
 * What a client sends, taken apart into command lines and messages. Takes the place of smtp-server's own
 * parser, which lets a bare LF end a line. Knows neither commands nor replies.
 */
import { Buffer } from "node:buffer";
import { SMTPStream } from "smtp-server/lib/smtp-stream.js";
import type { MessageReader } from "./message_reader.ts";

/** RFC 4954 §4 asks for 12,288 octets in an AUTH exchange; all other commands are far shorter. */
export const MAX_COMMAND_OCTETS = 12_288;
/** A line longer than this ends the session: nobody sends it by mistake. */
const MAX_SKIPPED_OCTETS = 256 * 1024;
/** Commands run without a look at the other sessions. */
const COMMANDS_PER_TURN = 100;

/** What is wrong with a command line before anyone reads it. */
export type LineFault = "too_long" | "bare_line_end" | "nul";

export interface CommandStreamHandlers {
  /** `done` may be called at once; the next line waits for it. */
  readonly onCommand: (line: Buffer, done: () => void) => void;
  readonly onFault: (fault: LineFault, done: () => void) => void;
  /** More than a session is worth was sent without a line end. */
  readonly onFlood: () => void;
}

type Done = (error?: Error | null) => void;
const NOTHING = Buffer.alloc(0);

export class CommandStream extends SMTPStream {
  readonly #handlers: CommandStreamHandlers;
  #rest: Buffer = NOTHING;
  #isSkipping = false;
  #skipped = 0;
  #message: { reader: MessageReader; onEnd: () => void } | null = null;
  #resume: (() => void) | null = null;

  constructor(handlers: CommandStreamHandlers) {
    super();
    this.#handlers = handlers;
  }

  /** True when octets wait for the end of their line. */
  get hasPartialLine(): boolean {
    return this.#rest.length > 0 || this.#isSkipping;
  }

  /** True from DATA's 354 to the end of the message. */
  get isReadingMessage(): boolean {
    return this.#message !== null;
  }

  /**
   * From now on the octets are a message. Behind its end nothing is read until `continue`.
   */
  readMessage(reader: MessageReader, onEnd: () => void): void {
    this.#message = { reader, onEnd };
  }

  /** Goes on with the commands behind a message. */
  override continue(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | "buffer", done: Done): void {
    if (this.isClosed) return done();
    const octets = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = NOTHING;
    this.#take(octets, 0, done);
  }

  override _flushData(): void {
    // A line without its end is no command (RFC 5321 §4.1.1).
  }

  /** Works through `octets` from `at`; re-entered when a command or a message is answered. */
  #take(octets: Buffer, at: number, done: Done): void {
    for (let commands = 0;; commands++) {
      if (this.isClosed || at >= octets.length) return done();
      if (this.#message !== null) {
        const taken = this.#message.reader.feed(at === 0 ? octets : octets.subarray(at));
        if (taken < 0) return done();
        const { onEnd } = this.#message;
        this.#message = null;
        this.#resume = () => this.#take(octets, at + taken, done);
        return onEnd();
      }
      const lf = octets.indexOf(10, at);
      if (lf < 0) return this.#keepRest(octets, at, done);
      if (commands === COMMANDS_PER_TURN) {
        setImmediate(() => this.#take(octets, at, done));
        return;
      }
      const line = octets.subarray(at, lf + 1);
      at = lf + 1;
      if (this.#runLine(line, () => this.#take(octets, at, done))) continue;
      return;
    }
  }

  /** True when the line was answered at once; otherwise `resume` is called once it is. */
  #runLine(line: Buffer, resume: () => void): boolean {
    let isSync = true;
    let isDone = false;
    const done = () => {
      if (isDone) return;
      isDone = true;
      if (!isSync) resume();
    };
    const wasSkipping = this.#isSkipping;
    this.#isSkipping = false;
    this.#skipped = 0;
    const fault = wasSkipping ? "too_long" : faultOf(line);
    if (fault === null) this.#handlers.onCommand(line.subarray(0, -2), done);
    else this.#handlers.onFault(fault, done);
    isSync = false;
    return isDone;
  }

  #keepRest(octets: Buffer, at: number, done: Done): void {
    const length = octets.length - at;
    if (this.#isSkipping || length > MAX_COMMAND_OCTETS) {
      this.#isSkipping = true;
      this.#skipped += length;
      if (this.#skipped > MAX_SKIPPED_OCTETS) this.#handlers.onFlood();
    } else this.#rest = Buffer.from(octets.subarray(at));
    done();
  }
}

function faultOf(line: Buffer): LineFault | null {
  if (line.length > MAX_COMMAND_OCTETS) return "too_long";
  // RFC 5321 §2.3.8: CR and LF stand in commands only together, as the line's end.
  const cr = line.indexOf(13);
  if (cr < 0 || cr !== line.length - 2) return "bare_line_end";
  return line.includes(0) ? "nul" : null;
}
