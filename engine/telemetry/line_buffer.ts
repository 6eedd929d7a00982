/**
 * Collects log lines and writes them together. Each write holds whole lines of at most `PIPE_BUF`
 * octets, so that lines of several threads on one pipe do not mix (POSIX write). While the reader is
 * slow or gone the buffer keeps what it has and counts what it must turn away: logging never throws
 * and never grows.
 */

/** Linux's `PIPE_BUF`: what a pipe takes in one piece. */
const CHUNK_OCTETS = 4096;
const CAPACITY_OCTETS = 64 * 1024;
const NEWLINE = 0x0a;

export interface LineBufferOptions {
  /** Writes at once and answers how many octets it took; may throw. */
  readonly write: (chunk: Uint8Array) => number;
  /** How long a line waits for others at the most. */
  readonly flushAfterMs: number;
  /** The line that tells of lines turned away. */
  readonly lostLine: (lines: number) => string;
}

export class LineBuffer implements Disposable {
  readonly #options: LineBufferOptions;
  readonly #encoder = new TextEncoder();
  readonly #octets = new Uint8Array(CAPACITY_OCTETS);
  #start = 0;
  #end = 0;
  #lost = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LineBufferOptions) {
    this.#options = options;
  }

  /** Takes a line without its newline; flushes first when there is no room. */
  push(line: string): void {
    if (!this.#hasRoom(line)) this.flush();
    if (!this.#hasRoom(line)) {
      this.#lost++;
      return;
    }
    this.#append(line);
    this.#schedule();
  }

  /** Writes what has been collected, as far as the reader takes it. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let taken: number | "gone" = 0;
    while (this.#start < this.#end) {
      taken = this.#write(this.#octets.subarray(this.#start, this.#chunkEnd()));
      if (taken === "gone") this.#giveUp();
      else this.#start += taken;
      if (taken === 0) break;
    }
    this.#octets.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    if (this.#lost > 0 && this.#end === 0 && taken !== "gone") this.#tellLost();
    if (this.#end > 0) this.#schedule();
  }

  [Symbol.dispose](): void {
    this.flush();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const timer = setTimeout(() => this.flush(), this.#options.flushAfterMs);
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  /** UTF-8 takes at most three octets for a UTF-16 unit. */
  #hasRoom(line: string): boolean {
    return this.#end + line.length * 3 + 1 <= CAPACITY_OCTETS;
  }

  #append(line: string): void {
    this.#end += this.#encoder.encodeInto(line, this.#octets.subarray(this.#end)).written;
    this.#octets[this.#end++] = NEWLINE;
  }

  /** The end of the last whole line that fits, or of the first when none does. */
  #chunkEnd(): number {
    if (this.#end - this.#start <= CHUNK_OCTETS) return this.#end;
    const last = this.#octets.lastIndexOf(NEWLINE, this.#start + CHUNK_OCTETS - 1);
    if (last >= this.#start) return last + 1;
    return this.#octets.indexOf(NEWLINE, this.#start) + 1;
  }

  #write(chunk: Uint8Array): number | "gone" {
    try {
      return this.#options.write(chunk);
    } catch (error) {
      const later = error instanceof Deno.errors.WouldBlock ||
        error instanceof Deno.errors.Interrupted;
      return later ? 0 : "gone";
    }
  }

  /** What was meant for a reader that is gone has nowhere to go. */
  #giveUp(): void {
    for (const octet of this.#octets.subarray(this.#start, this.#end)) {
      if (octet === NEWLINE) this.#lost++;
    }
    this.#start = this.#end;
  }

  /** Past the buffer, so that a notice is never counted as lost itself. */
  #tellLost(): void {
    const notice = this.#encoder.encode(this.#options.lostLine(this.#lost) + "\n");
    const taken = this.#write(notice);
    if (taken === "gone" || taken === 0) return;
    this.#lost = 0;
    this.#octets.set(notice.subarray(taken));
    this.#end = notice.length - taken;
  }
}
