/**
 * Encoded words (RFC 2047), read as generously as mail programs do: inside quotes, with white space
 * within, longer than 75 characters, a character cut between two words of a charset. What is no encoded
 * word stays as it is.
 */
import { Buffer } from "node:buffer";
import { decodeCharset } from "./charset.ts";
import { decodeBase64 } from "./transfer_decoding.ts";

/** What is longer is cut; header values elsewhere are at most 998. */
const MAX_CHARACTERS = 8_192;
/** RFC 2047 §2: charset, encoding, text; the charset may name a language (RFC 2231 §5). */
const OPENING = /=\?([^\s?*]{1,40})(?:\*[^\s?]{0,20})?\?([BbQq])\?/y;
const BLANK = /^[ \t\r\n]*$/;

interface Run {
  readonly charset: string;
  readonly pieces: Uint8Array[];
}

/** The value as a reader sees it; never longer than it was. */
export function decodeWords(value: string): string {
  const text = value.length > MAX_CHARACTERS ? value.slice(0, MAX_CHARACTERS) : value;
  let opening = text.indexOf("=?");
  if (opening < 0) return text.toWellFormed();
  let out = "";
  let plainStart = 0;
  let run: Run | null = null;
  while (opening >= 0) {
    OPENING.lastIndex = opening;
    const match = OPENING.exec(text);
    if (match === null) {
      opening = text.indexOf("=?", opening + 2);
      continue;
    }
    const start = OPENING.lastIndex;
    const end = text.indexOf("?=", start);
    // Then none of the others ends either.
    if (end < 0) break;
    const charset = match[1].toLowerCase();
    const between = text.slice(plainStart, opening);
    // RFC 2047 §6.2: white space between two encoded words is not shown.
    const isAdjacent = run !== null && BLANK.test(between);
    if (run !== null && (!isAdjacent || run.charset !== charset)) {
      out += decodeRun(run);
      run = null;
    }
    if (!isAdjacent) out += between;
    run ??= { charset, pieces: [] };
    run.pieces.push(decodeWord(text.slice(start, end), match[2]));
    plainStart = end + 2;
    opening = text.indexOf("=?", plainStart);
  }
  if (run !== null) out += decodeRun(run);
  return (out + text.slice(plainStart)).slice(0, text.length).toWellFormed();
}

function decodeRun({ charset, pieces }: Run): string {
  const octets = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  return decodeCharset(octets, { charset }).text;
}

function decodeWord(text: string, encoding: string): Uint8Array {
  const encoded = Buffer.from(text, "latin1");
  if (encoding === "B" || encoding === "b") {
    return decodeBase64(encoded, { maxOctets: encoded.length }).octets;
  }
  let length = 0;
  for (let at = 0; at < encoded.length; at++) {
    const octet = encoded[at];
    if (octet === 0x5f) {
      // RFC 2047 §4.2: an underscore is a space, whatever the charset.
      encoded[length++] = 0x20;
    } else if (octet === 0x3d && /^[0-9A-Fa-f]{2}$/.test(text.slice(at + 1, at + 3))) {
      encoded[length++] = parseInt(text.slice(at + 1, at + 3), 16);
      at += 2;
    } else {
      encoded[length++] = octet;
    }
  }
  return encoded.subarray(0, length);
}
