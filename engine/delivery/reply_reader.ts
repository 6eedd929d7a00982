/** Takes a server's octets apart into replies (RFC 5321 §4.2); bounded, whatever the server sends. */
import { Buffer } from "node:buffer";

/** A server that says more in one reply is not worth listening to. */
const MAX_REPLY_CHARACTERS = 16_384;
const LAST_LINE = /^[0-9]{3}(?: |$)/;
const EARLIER_LINE = /^[0-9]{3}-/;

export class ReplyReader {
  #rest = "";
  #lines = "";

  /**
   * The replies completed by these octets, their lines apart by line feeds; `null` for a flood.
   *
   * @param octets As latin1, so that cutting a character in two does no harm.
   */
  feed(octets: string): readonly string[] | null {
    const replies: string[] = [];
    const buffered = this.#rest + octets;
    let from = 0;
    for (let lf = buffered.indexOf("\n"); lf >= 0; lf = buffered.indexOf("\n", from)) {
      const end = lf > from && buffered.charCodeAt(lf - 1) === 13 ? lf - 1 : lf;
      if (lf - from + this.#lines.length > MAX_REPLY_CHARACTERS) return null;
      const line = buffered.slice(from, end);
      from = lf + 1;
      if (line === "" && this.#lines === "") continue;
      const reply = this.#lines === "" ? line : `${this.#lines}\n${line}`;
      // A line that is no reply at all ends one too, and its meaning is left to whoever asked.
      if (LAST_LINE.test(line) || !EARLIER_LINE.test(line)) {
        replies.push(decoded(reply));
        this.#lines = "";
      } else this.#lines = reply;
    }
    this.#rest = from === 0 ? buffered : buffered.slice(from);
    return this.#rest.length + this.#lines.length > MAX_REPLY_CHARACTERS ? null : replies;
  }
}

const ONE_LINE = /^[2-5][0-9]{2}(?: [^\n]*)?$/;

/**
 * Whether a reply is one by its form: every line with the same code, and the last one marked so
 * (RFC 5321 §4.2.1). Whoever sends anything else cannot be relied on to answer in step.
 */
export function isWellFormed(reply: string): boolean {
  if (ONE_LINE.test(reply)) return true;
  const lines = reply.split("\n");
  const code = reply.slice(0, 3);
  return ONE_LINE.test(lines[lines.length - 1]) && lines.every((line) => line.startsWith(code));
}

function decoded(latin1: string): string {
  return /[\x80-\xff]/.test(latin1) ? Buffer.from(latin1, "latin1").toString("utf8") : latin1;
}
