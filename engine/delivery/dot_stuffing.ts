/** A message as DATA carries it (RFC 5321 §4.5.2): dots stuffed, ended by CRLF.CRLF. */
import { Buffer } from "node:buffer";

const DOT = Buffer.from(".");
const END = Buffer.from(".\r\n");
const END_WITH_CRLF = Buffer.from("\r\n.\r\n");

/** Pieces to write one after the other; the message itself is not copied. */
export function stuffDots(octets: Uint8Array): readonly Uint8Array[] {
  const message = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const pieces: Uint8Array[] = [];
  let from = 0;
  if (message[0] === 46) pieces.push(DOT);
  // A string is searched by the engine itself, octets are not: a hundred times faster.
  const text = message.toString("latin1");
  for (let at = text.indexOf("\r\n."); at >= 0; at = text.indexOf("\r\n.", at + 3)) {
    pieces.push(message.subarray(from, at + 2), DOT);
    from = at + 2;
  }
  pieces.push(from === 0 ? message : message.subarray(from));
  const { length } = message;
  const endsLine = length === 0 || (message[length - 2] === 13 && message[length - 1] === 10);
  pieces.push(endsLine ? END : END_WITH_CRLF);
  return pieces;
}
