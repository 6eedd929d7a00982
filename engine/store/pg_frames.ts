/**
 * The Postgres wire protocol (version 3) as the embedded server meets it: cuts what a client sends
 * into steps the database can run without asking the client again, and builds the few messages the
 * server says itself. Knows no socket and no database.
 *
 * A step ends at Sync, Flush, a simple query or a function call; several of them in the buffer make
 * one step. COPY … FROM STDIN would make the database wait for rows in the middle of a run, so the
 * step holds the query and all its rows, and the server invites the client to send them beforehand.
 */

const INITIAL_OCTETS = 64 * 1024;
const KEPT_OCTETS = 1024 * 1024;
/** Postgres accepts no longer start-up packet either. */
const MAX_STARTUP_OCTETS = 10_000;

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

const BIND = 0x42, CLOSE = 0x43, DESCRIBE = 0x44, EXECUTE = 0x45, PARSE = 0x50;
const FLUSH = 0x48, SYNC = 0x53, QUERY = 0x51, FUNCTION_CALL = 0x46, TERMINATE = 0x58;
const COPY_DATA = 0x64, COPY_DONE = 0x63, COPY_FAIL = 0x66;
const COPY_IN_RESPONSE = 0x47, DATA_ROW = 0x44, ERROR_RESPONSE = 0x45;

const COPY_FROM_STDIN = /^\s*copy\b[\s\S]*\bfrom\s+stdin\b/i;
const STDIN = /\bstdin\b/i;
/** A COPY statement longer than this is not recognised; column lists are shorter. */
const COPY_PREFIX_OCTETS = 4096;

export type StartupStep =
  | { readonly kind: "startup" }
  /** Asks for TLS or GSS on this connection; the answer is one octet. */
  | { readonly kind: "encryption" }
  | { readonly kind: "cancel" }
  | { readonly kind: "violation"; readonly reason: string };

export type Step =
  | {
    readonly kind: "run";
    /** View into the buffer, valid until the next call of `room`. */
    readonly octets: Uint8Array;
    /** Ends with Flush: the client goes on in the same unnamed statement, so nobody may come between. */
    readonly open: boolean;
    /** How many times the client waits for ReadyForQuery. */
    readonly replies: number;
    /** Holds COPY rows: the client was already invited, so the database's invitation is dropped. */
    readonly copy: boolean;
    readonly prepared: readonly string[];
    readonly closed: readonly string[];
  }
  /** The client waits to be invited to send its COPY rows. */
  | { readonly kind: "inviteCopy" }
  | { readonly kind: "terminate" }
  | { readonly kind: "violation"; readonly reason: string };

/** What a client sent and nobody has run yet. */
export class FrontendFrames {
  #octets: Uint8Array<ArrayBuffer> = new Uint8Array(INITIAL_OCTETS);
  #start = 0;
  #end = 0;
  /** Header of the first frame not looked at. */
  #scan = 0;
  /** End of the last frame that ends a step. */
  #complete = 0;
  #open = false;
  #replies = 0;
  #copying = false;
  /** What looks like a COPY we did not recognise must not swallow the steps behind it. */
  #alone = false;
  #wanted = 0;
  readonly #maxStepOctets: number;
  #prepared: string[] = [];
  #closed: string[] = [];

  /** @param maxStepOctets a longer step is a violation. */
  constructor(maxStepOctets: number) {
    this.#maxStepOctets = maxStepOctets;
  }

  /** Where to read into; call `added` with what came. Never empty unless a violation was reported. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.#start === this.#end && this.#octets.length > KEPT_OCTETS) {
      this.#octets = new Uint8Array(INITIAL_OCTETS);
      this.#shift(this.#start);
    } else if (this.#start > 0 && this.#octets.length - this.#end < INITIAL_OCTETS / 2) {
      this.#octets.copyWithin(0, this.#start, this.#end);
      this.#shift(this.#start);
    }
    const wanted = Math.max(this.#wanted, this.#end + 1);
    if (wanted > this.#octets.length) {
      const size = Math.min(Math.max(wanted, this.#octets.length * 2), this.#maxStepOctets + 5);
      const grown = new Uint8Array(size);
      grown.set(this.#octets.subarray(0, this.#end));
      this.#octets = grown;
    }
    return this.#octets.subarray(this.#end);
  }

  added(count: number): void {
    this.#end += count;
  }

  /** The next packet of a connection that has not started yet; `null` when more must be read. */
  takeStartup(): StartupStep | null {
    if (this.#end - this.#start < 8) return null;
    const length = this.#int32(this.#start);
    const code = this.#int32(this.#start + 4);
    if (length < 8 || length > MAX_STARTUP_OCTETS) {
      return { kind: "violation", reason: "invalid length of startup packet" };
    }
    if (this.#end - this.#start < length) return null;
    this.#start = this.#scan = this.#complete = this.#start + length;
    if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: "encryption" };
    if (code === CANCEL_REQUEST) return { kind: "cancel" };
    if (code >>> 16 === 3) return { kind: "startup" };
    return { kind: "violation", reason: `unsupported frontend protocol ${code >>> 16}` };
  }

  /** The next step; `null` when more must be read. */
  take(): Step | null {
    while (this.#end - this.#scan >= 5) {
      const length = this.#int32(this.#scan + 1) + 1;
      if (length < 5) return { kind: "violation", reason: "invalid message length" };
      const frameEnd = this.#scan + length;
      if (frameEnd - this.#start > this.#maxStepOctets) {
        if (this.#complete > this.#start) return this.#run(false);
        return {
          kind: "violation",
          reason: `more than ${this.#maxStepOctets} octets in one batch`,
        };
      }
      if (frameEnd > this.#end) {
        this.#wanted = frameEnd;
        break;
      }
      const step = this.#look(this.#octets[this.#scan], frameEnd);
      if (step !== null) return step;
    }
    return this.#complete > this.#start ? this.#run(false) : null;
  }

  #look(type: number, frameEnd: number): Step | null {
    const at = this.#scan;
    if (this.#copying) {
      if (type === COPY_DONE || type === COPY_FAIL) {
        this.#copying = false;
        this.#replies++;
        this.#scan = this.#complete = frameEnd;
        return this.#run(true);
      }
      if (type !== COPY_DATA && type !== FLUSH && type !== SYNC) return unexpected(type);
      this.#scan = frameEnd;
      return null;
    }
    switch (type) {
      case PARSE: {
        const name = this.#text(at + 5, frameEnd);
        if (name !== "") this.#prepared.push(name);
        const query = this.#octets.indexOf(0, at + 5) + 1;
        this.#alone ||= STDIN.test(
          this.#text(query, Math.min(frameEnd, query + COPY_PREFIX_OCTETS)),
        );
        break;
      }
      case CLOSE:
        if (this.#octets[at + 5] === SYNC) this.#closed.push(this.#text(at + 6, frameEnd));
        break;
      case BIND:
      case DESCRIBE:
      case EXECUTE:
      // Outside COPY the database ignores these; a client may fail a COPY that has ended.
      case COPY_DATA:
      case COPY_DONE:
      case COPY_FAIL:
        break;
      case FLUSH:
      case SYNC:
      case FUNCTION_CALL:
        this.#complete = frameEnd;
        this.#open = type === FLUSH;
        if (!this.#open) this.#replies++;
        if (!this.#alone) break;
        this.#scan = frameEnd;
        return this.#run(false);
      case QUERY: {
        const text = this.#text(at + 5, Math.min(frameEnd, at + COPY_PREFIX_OCTETS));
        if (STDIN.test(text)) {
          if (this.#complete > this.#start) return this.#run(false);
          this.#scan = frameEnd;
          if (COPY_FROM_STDIN.test(text)) {
            this.#copying = true;
            return { kind: "inviteCopy" };
          }
          this.#replies++;
          this.#complete = frameEnd;
          return this.#run(false);
        }
        this.#replies++;
        this.#complete = frameEnd;
        this.#open = false;
        break;
      }
      case TERMINATE:
        if (this.#complete > this.#start) return this.#run(false);
        return { kind: "terminate" };
      default:
        return unexpected(type);
    }
    this.#scan = frameEnd;
    return null;
  }

  #run(copy: boolean): Step {
    const octets = this.#octets.subarray(this.#start, this.#complete);
    const step: Step = {
      kind: "run",
      octets,
      open: this.#open,
      replies: this.#replies,
      copy,
      prepared: this.#prepared,
      closed: this.#closed,
    };
    this.#start = this.#complete;
    this.#replies = 0;
    this.#prepared = [];
    this.#closed = [];
    if (!this.#open && this.#scan === this.#complete) this.#alone = false;
    this.#open = false;
    return step;
  }

  #shift(by: number): void {
    this.#start -= by;
    this.#end -= by;
    this.#scan -= by;
    this.#complete -= by;
    this.#wanted = Math.max(0, this.#wanted - by);
  }

  #int32(at: number): number {
    const octets = this.#octets;
    return octets[at] << 24 | octets[at + 1] << 16 | octets[at + 2] << 8 | octets[at + 3];
  }

  /** The text up to its NUL, or to `end`. */
  #text(start: number, end: number): string {
    let stop = start;
    while (stop < end && this.#octets[stop] !== 0) stop++;
    return new TextDecoder().decode(this.#octets.subarray(start, stop));
  }
}

function unexpected(type: number): Step {
  return { kind: "violation", reason: `unexpected message type 0x${type.toString(16)}` };
}

/** A frontend or backend message. */
export function frame(type: string, ...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const encoder = new TextEncoder();
  const encoded = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const length = encoded.reduce((sum, part) => sum + part.length, 5);
  const octets = new Uint8Array(length);
  octets[0] = type.charCodeAt(0);
  new DataView(octets.buffer).setInt32(1, length - 1);
  let at = 5;
  for (const part of encoded) {
    octets.set(part, at);
    at += part.length;
  }
  return octets;
}

export function simpleQuery(text: string): Uint8Array {
  return frame("Q", text, "\0");
}

/** Invites a client to send COPY rows; format and columns are left to the database's own reading. */
export function copyInvitation(): Uint8Array {
  return frame("G", new Uint8Array(3));
}

/** An ErrorResponse that ends a connection. */
export function fatalResponse(code: string, message: string): Uint8Array {
  return errorFrame("FATAL", code, message);
}

/** The whole answer to a step that failed outside the database. */
export function failureReply(
  failure: { code: string; message: string; inTransaction: boolean },
): Uint8Array {
  const error = errorFrame("ERROR", failure.code, failure.message);
  return concatenate([error, frame("Z", failure.inTransaction ? "T" : "I")]);
}

function errorFrame(severity: string, code: string, message: string): Uint8Array {
  return frame("E", `S${severity}\0V${severity}\0C${code}\0M${message}\0\0`);
}

/** Ends whatever a client that went away left open: its transaction and its prepared statements. */
export function farewell(
  left: { open: boolean; inTransaction: boolean; statements: Iterable<string> },
): Uint8Array | null {
  const frames: Uint8Array[] = [];
  if (left.open) frames.push(frame("S"));
  if (left.inTransaction) frames.push(simpleQuery("ROLLBACK"));
  const closes = Array.from(left.statements, (name) => frame("C", "S", name, "\0"));
  if (closes.length > 0) frames.push(...closes, frame("S"));
  return frames.length > 0 ? concatenate(frames) : null;
}

/** Removes the CopyInResponse from a run's output, in place; answers the octets left. */
export function dropCopyInvitation(output: Uint8Array, length: number): number {
  let at = 0;
  while (at + 5 <= length) {
    const size = 1 + new DataView(output.buffer, output.byteOffset + at + 1, 4).getInt32(0);
    if (output[at] === COPY_IN_RESPONSE) {
      output.copyWithin(at, at + size, length);
      return length - size;
    }
    at += size;
  }
  return length;
}

/** The first value and the error's message in the answer to a simple query. */
export function readAnswer(octets: Uint8Array): { value: string | null; error: string | null } {
  const view = new DataView(octets.buffer, octets.byteOffset);
  const decoder = new TextDecoder();
  let value: string | null = null;
  let error: string | null = null;
  for (let at = 0; at + 5 <= octets.length; at += 1 + view.getInt32(at + 1)) {
    if (octets[at] === DATA_ROW && value === null) {
      value = decoder.decode(octets.subarray(at + 11, at + 11 + view.getInt32(at + 7)));
    } else if (octets[at] === ERROR_RESPONSE) {
      const fields = decoder.decode(octets.subarray(at + 5, at + 1 + view.getInt32(at + 1)));
      error = fields.split("\0").find((field) => field.startsWith("M"))?.slice(1) ?? "";
    }
  }
  return { value, error };
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
