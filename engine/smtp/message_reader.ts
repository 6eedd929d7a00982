/**
 * Reads a message behind DATA: finds its end, takes the dot stuffing out and keeps the octets, in one
 * pass and one buffer (RFC 5321 §4.5.2). Only CRLF.CRLF ends it; a line end that is not CRLF spoils it
 * (§2.3.8), so that no two servers can disagree about where it ends.
 */

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
  /** Asks for memory; what was granted is the caller's to give back. */
  readonly reserve: (octets: number) => boolean;
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

/** A message with room in front of it. */
export class RoomyMessage {
  #octets: Uint8Array<ArrayBuffer>;
  #start: number;
  #end: number;

  constructor(octets: Uint8Array<ArrayBuffer>, start: number, end: number) {
    this.#octets = octets;
    this.#start = start;
    this.#end = end;
  }

  get octets(): Uint8Array<ArrayBuffer> {
    return this.#octets.subarray(this.#start, this.#end);
  }

  /** Puts octets in front, without copying the message while there is room. */
  prepend(front: Uint8Array): void {
    if (front.length > this.#start) {
      const moved = new Uint8Array(front.length + this.#end - this.#start);
      moved.set(this.octets, front.length);
      this.#octets = moved;
      this.#start = front.length;
      this.#end = moved.length;
    }
    this.#start -= front.length;
    this.#octets.set(front, this.#start);
  }
}

export class MessageReader {
  readonly #options: MessageReaderOptions;
  #buffer: Uint8Array<ArrayBuffer>;
  #end: number;
  #state = State.LineStart;
  #refused: RefusedMessage | null = null;
  #readOctets = 0;
  #reservedOctets = 0;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
    const { headroomOctets, announcedOctets, maxOctets } = options;
    const announced = Math.min(announcedOctets, maxOctets, MAX_INITIAL_OCTETS);
    const room = headroomOctets + Math.max(INITIAL_OCTETS, announced);
    this.#end = headroomOctets;
    this.#buffer = new Uint8Array(0);
    if (this.#reserve(room)) this.#buffer = new Uint8Array(room);
    else this.#refused = "no_memory";
  }

  /** Octets of the message so far, as sent. */
  get readOctets(): number {
    return this.#readOctets;
  }

  /** Octets reserved so far; the message itself may have moved to another thread since. */
  get reservedOctets(): number {
    return this.#reservedOctets;
  }

  /**
   * Takes the next octets. Answers how many belonged to the message once its end is among them, else
   * -1: then all did.
   */
  feed(chunk: Uint8Array): number {
    let state = this.#state;
    let keepFrom = 0;
    let at = 0;
    const { length } = chunk;
    for (; at < length; at++) {
      // Most octets are neither line ends nor dots behind them: a loop of its own for those.
      if (state === State.Text) {
        while (at < length && chunk[at] > CR) at++;
        if (at === length) break;
      }
      const octet = chunk[at];
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
    this.#readOctets += chunk.length;
    return -1;
  }

  /** The message, once `feed` found its end. */
  finish(): ReadMessage {
    if (this.#refused !== null) return { kind: "refused", reason: this.#refused };
    return {
      kind: "message",
      message: new RoomyMessage(this.#buffer, this.#options.headroomOctets, this.#end),
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
    const length = Math.max(needed, this.#buffer.length * 2);
    if (!this.#reserve(length - this.#buffer.length)) {
      this.#refuse("no_memory");
      return false;
    }
    const grown = new Uint8Array(length);
    grown.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = grown;
    return true;
  }

  #reserve(octets: number): boolean {
    if (!this.#options.reserve(octets)) return false;
    this.#reservedOctets += octets;
    return true;
  }
}
