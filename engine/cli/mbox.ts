/**
 * Takes a mailbox file apart into its messages, as it is read (RFC 4155): a line that begins with `From `, behind an
 * empty one, begins a message. Holds one message at a time, of which it keeps no more than it is told to.
 */
import { Buffer } from "node:buffer";

/** `From sender date`; a line of text may begin with the word too, but hardly has a time in it. */
const FROM_LINE = /^From \S+ .*\d:\d\d/;
/** As `From ` is quoted in the text of a message: one `>` more than it had. */
const QUOTED = /^>+From /;
const MAX_FROM_LINE = 300;
/** Of a line without end, so much is looked at. */
const MAX_LINE_OCTETS = 65_536;
const LF = 10;
const GREATER = 62;
const LETTER_F = 70;

export class MboxSplitter {
  readonly #maxOctets: number;
  #unread = Buffer.alloc(0);
  /** Of the message being read; `null` before the first. */
  #pieces: Buffer[] | null = null;
  #kept = 0;
  #isLineOpen = false;
  #wasLineEmpty = true;

  /** @param options `maxOctets`: what is kept of a message. */
  constructor(options: { readonly maxOctets: number }) {
    this.#maxOctets = options.maxOctets;
  }

  /** The messages that end in these octets. */
  push(octets: Uint8Array): Uint8Array[] {
    const ended: Uint8Array[] = [];
    const text = Buffer.concat([this.#unread, octets]);
    let start = 0;
    for (let lf = text.indexOf(LF); lf >= 0; lf = text.indexOf(LF, start)) {
      this.#line(text.subarray(start, lf + 1), ended);
      this.#isLineOpen = false;
      start = lf + 1;
    }
    if (text.length - start > MAX_LINE_OCTETS) {
      this.#line(text.subarray(start), ended);
      this.#isLineOpen = true;
      start = text.length;
    }
    this.#unread = Buffer.from(text.subarray(start));
    return ended;
  }

  /** The last message. */
  end(): Uint8Array[] {
    const ended: Uint8Array[] = [];
    if (this.#unread.length > 0) this.#line(this.#unread, ended);
    this.#endMessage(ended);
    return ended;
  }

  #line(line: Buffer, ended: Uint8Array[]): void {
    if (!this.#isLineOpen && this.#wasLineEmpty && line[0] === LETTER_F && isFromLine(line)) {
      this.#endMessage(ended);
      this.#pieces = [];
      this.#wasLineEmpty = false;
      return;
    }
    const isQuoted = !this.#isLineOpen && line[0] === GREATER &&
      QUOTED.test(line.toString("latin1", 0, MAX_FROM_LINE));
    this.#keep(isQuoted ? line.subarray(1) : line);
    this.#wasLineEmpty = !this.#isLineOpen && line.length <= 2 && line.toString().trim() === "";
  }

  #keep(octets: Buffer): void {
    const room = this.#maxOctets - this.#kept;
    if (this.#pieces === null || room <= 0) return;
    const kept = octets.subarray(0, room);
    this.#kept += kept.length;
    this.#pieces.push(Buffer.from(kept));
  }

  #endMessage(ended: Uint8Array[]): void {
    if (this.#pieces === null) return;
    const message = Buffer.concat(this.#pieces);
    // The empty line in front of the next message belongs to the file.
    const end = message.subarray(-4).toString("latin1");
    const surplus = end.endsWith("\r\n\r\n") ? 2 : end.endsWith("\n\n") ? 1 : 0;
    if (message.length > surplus) ended.push(message.subarray(0, message.length - surplus));
    this.#pieces = null;
    this.#kept = 0;
  }
}

function isFromLine(line: Buffer): boolean {
  return line.length <= MAX_FROM_LINE && FROM_LINE.test(line.toString("latin1"));
}

/** Whether a file that begins so is a mailbox. */
export function isMbox(head: Uint8Array): boolean {
  const view = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const lf = view.indexOf(LF);
  return isFromLine(lf < 0 ? view : view.subarray(0, lf));
}
