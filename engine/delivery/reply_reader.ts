/** Takes a server's octets apart into replies (RFC 5321 §4.2); bounded, whatever the server sends. */

/** A server that says more in one reply is not worth listening to. */
const MAX_REPLY_CHARACTERS = 16_384;
const LAST_LINE = /^[0-9]{3}(?: |$)/;

export class ReplyReader {
  #rest = "";
  #lines = "";

  /** The replies completed by this text, each with its line ends inside; `null` for a flood. */
  feed(text: string): readonly string[] | null {
    const replies: string[] = [];
    const buffered = this.#rest + text;
    let from = 0;
    for (let lf = buffered.indexOf("\n"); lf >= 0; lf = buffered.indexOf("\n", from)) {
      const end = lf > from && buffered.charCodeAt(lf - 1) === 13 ? lf - 1 : lf;
      const line = buffered.slice(from, end);
      from = lf + 1;
      if (line === "" && this.#lines === "") continue;
      const reply = this.#lines === "" ? line : `${this.#lines}\n${line}`;
      // A line that is no reply at all ends one too, and its meaning is left to whoever asked.
      if (LAST_LINE.test(line) || !/^[0-9]{3}-/.test(line)) {
        replies.push(reply);
        this.#lines = "";
      } else this.#lines = reply;
      if (this.#lines.length > MAX_REPLY_CHARACTERS) return null;
    }
    this.#rest = from === 0 ? buffered : buffered.slice(from);
    return this.#rest.length > MAX_REPLY_CHARACTERS ? null : replies;
  }
}
