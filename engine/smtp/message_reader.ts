/**
 * Reads a message behind DATA: finds its end, takes the dot stuffing out and keeps the octets, in one
 * pass and one buffer (RFC 5321 §4.5.2). Only CRLF.CRLF ends it; a line end that is not CRLF spoils it
 * (§2.3.8), so that no two servers can disagree about where it ends.
 */
import { RoomyMessage } from "./roomy_message.ts";

export type ReadMessage =
  | { readonly kind: "message"; readonly message: RoomyMessage }
  | { readonly kind: "refused"; readonly reason: RefusedMessage };

/** Why the octets are no message of ours; the dialogue goes on behind its end all the same. */
export type RefusedMessage = "too_large" | "no_memory" | "bare_line_end" | "nul";

export interface MessageReaderOptions {
  /** Room left in front, for the trace fields to come. */
  readonly headroomOctets: number;
  readonly maxOctets: number;
  /** What the client announced with SIZE, or 0. */
  readonly announcedOctets: number;
  /** What the message is kept in comes from here, and is the caller's to give back in the end. */
  readonly memory: {
    reserve(octets: number): boolean;
    release(octets: number): void;
  };
}

const CR = 13;
const LF = 10;
const DOT = 46;

const INITIAL_OCTETS = 4096;
/** A client's announcement alone gets no more than this. */
const MAX_INITIAL_OCTETS = 1024 * 1024;

enum State {
  Text,
  AfterCr,
  LineStart,
  AfterDot,
  AfterDotCr,
}

export class MessageReader {
  readonly #options: MessageReaderOptions;
  #buffer: Uint8Array<ArrayBuffer>;
  #end: number;
  #state = State.LineStart;
  #refused: RefusedMessage | null = null;
  #readOctets = 0;
  /** All octets of the message, one laid upon the other. */
  #bits = 0;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
    const { headroomOctets, announcedOctets, maxOctets, memory } = options;
    const announced = Math.min(announcedOctets, maxOctets, MAX_INITIAL_OCTETS);
    const room = headroomOctets + Math.max(INITIAL_OCTETS, announced);
    this.#end = headroomOctets;
    this.#buffer = new Uint8Array(0);
    if (memory.reserve(room)) this.#buffer = new Uint8Array(room);
    else this.#refused = "no_memory";
  }

  /** Octets of the message so far, as sent. */
  get readOctets(): number {
    return this.#readOctets;
  }

  /**
   * Takes the next octets. Answers how many belonged to the message once its end is among them, else
   * -1: then all did.
   */
  feed(chunk: Uint8Array): number {
    let state = this.#state;
    let keepFrom = 0;
    let at = 0;
    let octet = 0;
    let bits = 0;
    const { length } = chunk;
    for (; at < length; at++) {
      // Most octets are neither line ends nor dots behind them: a loop of its own for those.
      if (state === State.Text) {
        while (at < length && (octet = chunk[at]) > CR) {
          bits |= octet;
          at++;
        }
        if (at === length) break;
      }
      octet = chunk[at];
      bits |= octet;
      if (state === State.AfterCr) {
        if (octet === LF) {
          state = State.LineStart;
          continue;
        }
        this.#refuse("bare_line_end");
      } else if (state === State.LineStart) {
        if (octet === DOT) {
          this.#keep(chunk, keepFrom, at);
          keepFrom = at + 1;
          state = State.AfterDot;
          continue;
        }
      } else if (state === State.AfterDot) {
        if (octet === CR) {
          keepFrom = at + 1;
          state = State.AfterDotCr;
          continue;
        }
        keepFrom = at;
      } else if (state === State.AfterDotCr) {
        if (octet === LF) {
          this.#bits |= bits;
          this.#readOctets += at + 1;
          return at + 1;
        }
        this.#refuse("bare_line_end");
      }
      if (octet === CR) state = State.AfterCr;
      else {
        state = State.Text;
        if (octet === LF) this.#refuse("bare_line_end");
        else if (octet === 0) this.#refuse("nul");
      }
    }
    if (state < State.AfterDot) this.#keep(chunk, keepFrom, at);
    this.#state = state;
    this.#bits |= bits;
    this.#readOctets += chunk.length;
    return -1;
  }

  /** The message, once `feed` found its end. */
  finish(): ReadMessage {
    if (this.#refused !== null) return { kind: "refused", reason: this.#refused };
    return {
      kind: "message",
      message: new RoomyMessage(this.#buffer, {
        startOctet: this.#options.headroomOctets,
        endOctet: this.#end,
        isEightBit: this.#bits > 127,
      }),
    };
  }

  /** The first reason counts; what was kept is of no use any more. */
  #refuse(reason: RefusedMessage): void {
    if (this.#refused === null) this.#refused = reason;
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    if (from >= to || this.#refused !== null) return;
    const needed = this.#end + to - from;
    if (needed - this.#options.headroomOctets > this.#options.maxOctets) {
      this.#refuse("too_large");
      return;
    }
    if (needed > this.#buffer.length && !this.#grow(needed)) return;
    this.#buffer.set(
      from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to),
      this.#end,
    );
    this.#end = needed;
  }

  #grow(needed: number): boolean {
    const { headroomOctets, maxOctets, memory } = this.#options;
    const doubled = Math.max(needed, this.#buffer.length * 2);
    const length = Math.min(doubled, headroomOctets + maxOctets);
    // While the octets move, the message is there twice.
    if (!memory.reserve(length)) {
      this.#refuse("no_memory");
      return false;
    }
    const grown = new Uint8Array(length);
    grown.set(this.#buffer.subarray(0, this.#end));
    memory.release(this.#buffer.length);
    this.#buffer = grown;
    return true;
  }
}
