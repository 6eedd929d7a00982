/**
 * The sink's end of one connection: bytes in, replies out. Takes every message and keeps none;
 * decides where a message ends (RFC 5321 §4.5.2) and leaves counting to its owner.
 */

import { Buffer } from "node:buffer";

const endOfData = Buffer.from("\r\n.\r\n", "latin1");
/** Enough for the stamp beneath whatever trace fields the servers on the way have put on top. */
const headLimitOctets = 8192;
const commandLimitOctets = 4096;

export class SinkSession {
  readonly #onMessage: (head: string) => void;
  #inData = false;
  #line = "";
  #head: Buffer[] = [];
  #headOctets = 0;
  /** Last octets of the data so far, where the end mark may have begun. */
  #seam: Buffer = Buffer.alloc(0);

  /** `onMessage` receives the beginning of each message, once, when its final dot is there. */
  constructor(onMessage: (head: string) => void) {
    this.#onMessage = onMessage;
  }

  /** Takes what came in; returns what to answer and whether to hang up. */
  feed(chunk: Buffer): { reply: string; quit: boolean } {
    let reply = "";
    let rest: Buffer | null = chunk;
    while (rest !== null && rest.length > 0) {
      if (this.#inData) {
        rest = this.#readData(rest);
        if (rest !== null) reply += "250 2.0.0 Ok\r\n";
        continue;
      }
      const end = rest.indexOf(10);
      if (end === -1) {
        this.#line = (this.#line + rest.toString("latin1")).slice(0, commandLimitOctets);
        break;
      }
      const line = this.#line + rest.toString("latin1", 0, end);
      this.#line = "";
      rest = rest.subarray(end + 1);
      const answer = this.#command(line.slice(0, 4).toUpperCase());
      reply += answer;
      if (answer.startsWith("221")) return { reply, quit: true };
    }
    return { reply, quit: false };
  }

  #command(verb: string): string {
    switch (verb) {
      case "EHLO":
        return "250-sink.bench.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n";
      case "HELO":
      case "MAIL":
      case "RCPT":
      case "RSET":
      case "NOOP":
        return "250 2.0.0 Ok\r\n";
      case "DATA":
        this.#inData = true;
        this.#head = [];
        this.#headOctets = 0;
        // The CRLF of DATA itself counts, so that an empty message ends at its dot.
        this.#seam = Buffer.from("\r\n", "latin1");
        return "354 End data with <CR><LF>.<CR><LF>\r\n";
      case "QUIT":
        return "221 2.0.0 Bye\r\n";
      default:
        return "502 5.5.1 Not implemented\r\n";
    }
  }

  /** What follows the message, or `null` while its end has not come. */
  #readData(chunk: Buffer): Buffer | null {
    if (this.#headOctets < headLimitOctets) {
      const part = chunk.subarray(0, headLimitOctets - this.#headOctets);
      this.#head.push(part);
      this.#headOctets += part.length;
    }
    const end = this.#endOfData(chunk);
    if (end === -1) return null;
    this.#inData = false;
    this.#onMessage(Buffer.concat(this.#head).toString("latin1"));
    this.#head = [];
    return chunk.subarray(end);
  }

  /** Offset just past the end mark, which may have begun in an earlier chunk; -1 if not there. */
  #endOfData(chunk: Buffer): number {
    const overlap = endOfData.length - 1;
    const joined = Buffer.concat([this.#seam, chunk.subarray(0, overlap)]);
    const across = joined.indexOf(endOfData);
    if (across !== -1) return across + endOfData.length - this.#seam.length;
    const within = chunk.indexOf(endOfData);
    if (within !== -1) return within + endOfData.length;
    const tail = chunk.length >= overlap ? chunk : joined;
    this.#seam = Buffer.from(tail.subarray(Math.max(0, tail.length - overlap)));
    return -1;
  }
}
