/**
 * The forms in which DKIM signs (RFC 6376 §3.4): in relaxed ones what mail servers may do to white space
 * does not break a signature. Octets beyond ASCII are taken as they are. Takes a time that grows with the
 * size alone, octet by octet, whatever a stranger wrote. Knows neither keys nor DNS.
 */
import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;

/** Octets of body taken in one go: between two of them the thread's other sessions have their turn. */
const CHUNK_OCTETS = 262_144;
const CRLF = Uint8Array.of(CR, LF);

export interface BodyForm {
  readonly form: "relaxed" | "simple";
  readonly algorithm: "sha256" | "sha1";
  /** Of the body's form, hashed at the most (RFC 6376 §3.4.5). */
  readonly maxOctets: number;
}

/** The SHA-256 of a body in relaxed form. `body` stands behind the empty line, its lines end in CRLF. */
export async function relaxedBodyHash(body: Uint8Array): Promise<Buffer> {
  const form: BodyForm = { form: "relaxed", algorithm: "sha256", maxOctets: Infinity };
  return (await hashBody(body, form)).digest;
}

/** The digest of a body in some form, and how many octets that form has in all. */
export async function hashBody(
  body: Uint8Array,
  { form, algorithm, maxOctets }: BodyForm,
): Promise<{ readonly digest: Buffer; readonly octets: number }> {
  const hash = createHash(algorithm);
  let octets = 0;
  const take = (piece: Uint8Array) => {
    if (octets < maxOctets) hash.update(piece.subarray(0, maxOctets - octets));
    octets += piece.length;
  };
  let isFirst = true;
  for (const piece of form === "relaxed" ? relaxedPieces(body) : simplePieces(body)) {
    if (!isFirst) await new Promise<void>((resolve) => setImmediate(resolve));
    isFirst = false;
    take(piece);
  }
  // What is empty stays so in relaxed form; everything else ends with one CRLF.
  if (octets > 0 || form === "simple") take(CRLF);
  return { digest: hash.digest(), octets };
}

/** RFC 6376 §3.4.3: empty lines at the end do not count. */
function* simplePieces(body: Uint8Array): Generator<Uint8Array> {
  let end = body.length;
  while (end > 1 && body[end - 2] === CR && body[end - 1] === LF) end -= 2;
  for (let at = 0; at < end; at += CHUNK_OCTETS) {
    yield body.subarray(at, Math.min(at + CHUNK_OCTETS, end));
  }
}

/** Each piece is good until the next one is asked for. */
function* relaxedPieces(body: Uint8Array): Generator<Uint8Array> {
  let end = body.length;
  // RFC 6376 §3.4.4: empty lines at the end do not count, nor do those of white space.
  while (end > 0 && isBlank(body[end - 1])) end--;
  // With room for a space that the piece before ended with.
  const relaxed = new Uint8Array(Math.min(end, CHUNK_OCTETS) + 1);
  let isSpaced = false;
  for (let at = 0; at < end;) {
    const pieceEnd = Math.min(at + CHUNK_OCTETS, end);
    let length = 0;
    for (; at < pieceEnd; at++) {
      const octet = body[at];
      if (octet === SPACE || octet === TAB) {
        isSpaced = true;
        continue;
      }
      // White space before a line end goes, any other becomes one space.
      if (isSpaced && !(octet === CR && body[at + 1] === LF)) relaxed[length++] = SPACE;
      isSpaced = false;
      relaxed[length++] = octet;
    }
    yield relaxed.subarray(0, length);
  }
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
