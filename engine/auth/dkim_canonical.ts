/**
 * The relaxed forms DKIM signs (RFC 6376 §3.4.2, §3.4.4): what mail servers may do to white space does
 * not break a signature. Octets beyond ASCII are taken as they are. Knows neither keys nor DNS.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;

/** Octets of body looked at together: what needs no change is hashed where it lies. */
const CHUNK_OCTETS = 65_536;

/** The SHA-256 of a body in relaxed form. `body` stands behind the empty line, its lines end in CRLF. */
export function relaxedBodyHash(body: Uint8Array): Buffer {
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const hash = createHash("sha256");
  let end = view.length;
  // RFC 6376 §3.4.4: empty lines at the end do not count, nor do those of white space.
  while (end > 0 && isBlank(view[end - 1])) end--;
  for (let at = 0; at < end;) {
    const chunkEnd = chunkEndOf(view, at, end);
    const text = view.toString("latin1", at, chunkEnd);
    if (needsChange(text)) hash.update(Buffer.from(relaxedLines(text), "latin1"));
    else hash.update(view.subarray(at, chunkEnd));
    at = chunkEnd;
  }
  // An empty body is the empty text, every other one ends with one CRLF.
  if (end > 0) hash.update("\r\n");
  return hash.digest();
}

/** Chunks end with a line, so that no run of white space is cut in two; a line without an end goes whole. */
function chunkEndOf(view: Buffer, at: number, end: number): number {
  if (end - at <= CHUNK_OCTETS) return end;
  const lf = view.subarray(at + CHUNK_OCTETS - 1, end).toString("latin1").indexOf("\n");
  return lf < 0 ? end : at + CHUNK_OCTETS + lf;
}

function needsChange(text: string): boolean {
  return text.includes("  ") || text.includes(" \r\n") || text.includes("\t");
}

function relaxedLines(text: string): string {
  return text.replace(/[\t ]+\r\n/g, "\r\n").replace(/[\t ]+/g, " ");
}

/**
 * A field in relaxed form, without a line end: name in lower case, colon, the value on one line with
 * single spaces.
 *
 * @param value one character an octet (latin1), as it stands behind the colon.
 */
export function relaxedField(name: string, value: string): string {
  const unfolded = value.replace(/\r\n/g, "").replace(/[\t ]+/g, " ");
  const start = unfolded.startsWith(" ") ? 1 : 0;
  const end = unfolded.endsWith(" ") ? unfolded.length - 1 : unfolded.length;
  return `${name.toLowerCase()}:${unfolded.slice(start, Math.max(start, end))}`;
}

function isBlank(octet: number): boolean {
  return octet === SPACE || octet === TAB || octet === CR || octet === LF;
}
