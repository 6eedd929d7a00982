/**
 * The forms in which DKIM signs (RFC 6376 §3.4): in relaxed ones what mail servers may do to white space
 * does not break a signature. Octets beyond ASCII are taken as they are. Takes a time that grows with the
 * size alone, octet by octet, whatever a stranger wrote. Knows neither keys nor DNS.
 */
import type { Buffer } from "node:buffer";
import { createHash, hash } from "node:crypto";

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
  const end = form === "relaxed" ? relaxedEnd(body) : simpleEnd(body);
  const pieces = form === "relaxed" ? relaxedPieces(body, end) : simplePieces(body, end);
  // What is empty stays so in relaxed form; everything else ends with one CRLF.
  const ending = end > 0 || form === "simple" ? CRLF : CRLF.subarray(0, 0);
  if (end <= CHUNK_OCTETS) {
    const [piece = body.subarray(0, 0)] = pieces;
    const whole = joined(piece, ending);
    const octets = whole.length;
    return {
      digest: hash(algorithm, whole.subarray(0, Math.min(octets, maxOctets)), "buffer"),
      octets,
    };
  }
  const hasher = createHash(algorithm);
  let octets = 0;
  const take = (piece: Uint8Array) => {
    if (octets < maxOctets) hasher.update(piece.subarray(0, maxOctets - octets));
    octets += piece.length;
  };
  let isFirst = true;
  for (const piece of pieces) {
    if (!isFirst) await new Promise<void>((resolve) => setImmediate(resolve));
    isFirst = false;
    take(piece);
  }
  take(ending);
  return { digest: hasher.digest(), octets };
}

function joined(piece: Uint8Array, ending: Uint8Array): Uint8Array {
  const whole = new Uint8Array(piece.length + ending.length);
  whole.set(piece);
  whole.set(ending, piece.length);
  return whole;
}

/** RFC 6376 §3.4.3: empty lines at the end do not count. */
function simpleEnd(body: Uint8Array): number {
  let end = body.length;
  while (end > 1 && body[end - 2] === CR && body[end - 1] === LF) end -= 2;
  return end;
}

/** RFC 6376 §3.4.4: empty lines at the end do not count, nor do those of white space. */
function relaxedEnd(body: Uint8Array): number {
  let end = body.length;
  while (end > 0 && isBlank(body[end - 1])) end--;
  return end;
}

function* simplePieces(body: Uint8Array, end: number): Generator<Uint8Array> {
  for (let at = 0; at < end; at += CHUNK_OCTETS) {
    yield body.subarray(at, Math.min(at + CHUNK_OCTETS, end));
  }
}

/** Each piece is good until the next one is asked for. */
function* relaxedPieces(body: Uint8Array, end: number): Generator<Uint8Array> {
  const relaxing: Relaxing = {
    relaxed: new Uint8Array(0),
    maxOctets: Math.min(end, CHUNK_OCTETS) + 1,
    isSpaced: false,
  };
  for (let start = 0; start < end; start += CHUNK_OCTETS) {
    yield relaxedPiece(body, relaxing, { start, end: Math.min(start + CHUNK_OCTETS, end) });
  }
}

interface Relaxing {
  /** Made when a piece first needs it. */
  relaxed: Uint8Array;
  /** With room for a space that the piece before ended with. */
  readonly maxOctets: number;
  /** The piece before ended in white space, of which nothing is said yet. */
  isSpaced: boolean;
}

/** One piece; octets that stay as they are are copied in runs, or not at all. */
function relaxedPiece(
  body: Uint8Array,
  relaxing: Relaxing,
  { start, end }: { readonly start: number; readonly end: number },
): Uint8Array {
  let { relaxed, isSpaced } = relaxing;
  let length = 0;
  /** Where octets start that are not in `relaxed` yet. */
  let kept = start;
  for (let at = start; at < end; at++) {
    const octet = body[at];
    if (octet === SPACE || octet === TAB) {
      // The usual space between two words.
      if (!isSpaced && octet === SPACE && body[at + 1] > SPACE) continue;
      if (relaxed.length === 0) relaxed = new Uint8Array(relaxing.maxOctets);
      if (!isSpaced) {
        relaxed.set(body.subarray(kept, at), length);
        length += at - kept;
      }
      isSpaced = true;
      kept = end;
    } else if (isSpaced) {
      // White space before a line end goes, any other becomes one space.
      if (!(octet === CR && body[at + 1] === LF)) relaxed[length++] = SPACE;
      isSpaced = false;
      kept = at;
    }
  }
  relaxing.relaxed = relaxed;
  relaxing.isSpaced = isSpaced;
  if (length === 0) return body.subarray(kept, end);
  relaxed.set(body.subarray(kept, end), length);
  return relaxed.subarray(0, length + end - kept);
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
