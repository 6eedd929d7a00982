/**
 * Undoes content transfer encodings (RFC 2045 §6) the way readers do: junk is skipped or kept, never a
 * reason to give up, and what was wrong is said. Decodes as much as it is asked for and knows nothing of
 * charsets. Nothing is ever decompressed.
 */

export type TransferDefect =
  | "bad_base64"
  | "bad_quoted_printable"
  | "unknown_transfer_encoding";

export interface Decoded {
  /** At most as many as asked for; may share memory with what was decoded. */
  readonly octets: Uint8Array;
  /** What was wrong as far as it was read. */
  readonly defect: TransferDefect | null;
  /** Whether more could have been decoded. */
  readonly isCut: boolean;
}

export interface DecodingBounds {
  /** Of what comes out. */
  readonly maxOctets: number;
  /** Of what goes in; everything when left out. */
  readonly maxEncodedOctets?: number;
}

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const EQUALS = 61;

const BLANK = 64;
const PADDING = 65;
const JUNK = 66;

/** By octet: six bits, or what else it is. */
const BASE64: Uint8Array = (() => {
  const table = new Uint8Array(256).fill(JUNK);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (let value = 0; value < alphabet.length; value++) table[alphabet.charCodeAt(value)] = value;
  for (const octet of [TAB, LF, CR, SPACE]) table[octet] = BLANK;
  table[EQUALS] = PADDING;
  return table;
})();

/** @param encoding in lower case. */
export function decodeTransfer(
  body: Uint8Array,
  { encoding, ...bounds }: DecodingBounds & { readonly encoding: string },
): Decoded {
  switch (encoding) {
    case "base64":
      return decodeBase64(body, bounds);
    case "quoted-printable":
      return decodeQuotedPrintable(body, bounds);
    case "7bit":
    case "8bit":
    case "binary":
      return decodeNothing(body, { ...bounds, defect: null });
    default:
      return decodeNothing(body, { ...bounds, defect: "unknown_transfer_encoding" });
  }
}

function decodeNothing(
  body: Uint8Array,
  { maxOctets, defect }: DecodingBounds & { readonly defect: TransferDefect | null },
): Decoded {
  const isCut = body.length > maxOctets;
  return { octets: isCut ? body.subarray(0, maxOctets) : body, defect, isCut };
}

/**
 * Base64 (RFC 2045 §6.8). Octets outside the alphabet are skipped; what follows padding is read on, since
 * some readers show it.
 */
export function decodeBase64(body: Uint8Array, bounds: DecodingBounds): Decoded {
  const { maxOctets, maxEncodedOctets = Infinity } = bounds;
  const limit = Math.min(body.length, maxEncodedOctets);
  // Of four characters the first two already make an octet.
  const octets = new Uint8Array(Math.min(Math.ceil(limit * 3 / 4), maxOctets));
  const room = octets.length;
  let length = 0;
  let bits = 0;
  let held = 0;
  let paddings = 0;
  let isBad = false;
  let at = 0;
  for (; at < limit && length < room; at++) {
    const value = BASE64[body[at]];
    if (value < 64) {
      if (paddings > 0) {
        isBad = true;
        held = 0;
        paddings = 0;
      }
      bits = (bits << 6 | value) & 0xffffff;
      if (++held === 1) continue;
      octets[length++] = bits >> (8 - 2 * held) & 0xff;
      if (held === 4) held = 0;
    } else if (value === PADDING) {
      paddings++;
      if (held < 2 || held + paddings > 4) isBad = true;
    } else if (value === JUNK) {
      isBad = true;
    }
  }
  const isCut = at < body.length && hasBase64(body, at, limit);
  if (at === body.length && held !== 0 && held + paddings !== 4) isBad = true;
  return { octets: octets.subarray(0, length), defect: isBad ? "bad_base64" : null, isCut };
}

/** Whether more than line ends and padding are left; looks at a few octets only. */
function hasBase64(body: Uint8Array, start: number, limit: number): boolean {
  if (limit < body.length) return true;
  const end = Math.min(body.length, start + 16);
  for (let at = start; at < end; at++) {
    if (BASE64[body[at]] < 64) return true;
  }
  return end < body.length;
}

/**
 * Quoted-printable (RFC 2045 §6.7). An equals sign that begins nothing stays; white space at the end of a
 * line goes, as rule 3 wants.
 */
export function decodeQuotedPrintable(body: Uint8Array, bounds: DecodingBounds): Decoded {
  const { maxOctets, maxEncodedOctets = Infinity } = bounds;
  const limit = Math.min(body.length, maxEncodedOctets);
  const octets = new Uint8Array(Math.min(limit, maxOctets));
  const room = octets.length;
  let length = 0;
  // The white space that ends at `length`, if any does: a line end takes it away.
  let blankStart = 0;
  let blankEnd = -1;
  let isBad = false;
  let at = 0;
  while (at < limit && length < room) {
    const octet = body[at++];
    if (octet > EQUALS || (octet > SPACE && octet !== EQUALS)) {
      octets[length++] = octet;
    } else if (octet === SPACE || octet === TAB) {
      if (length !== blankEnd) blankStart = length;
      octets[length++] = octet;
      blankEnd = length;
    } else if (octet === LF) {
      if (length === blankEnd) length = blankStart;
      octets[length++] = octet;
    } else if (octet !== EQUALS) {
      // Of CRLF the second octet is enough.
      if (octet !== CR || body[at] !== LF) octets[length++] = octet;
    } else {
      blankEnd = -1;
      const value = at + 1 < limit ? hexValue(body[at]) << 4 | hexValue(body[at + 1]) : -1;
      if (value >= 0) {
        octets[length++] = value;
        at += 2;
        continue;
      }
      const next = afterSoftBreak(body, at, limit);
      if (next > 0) {
        at = next;
      } else {
        isBad = true;
        octets[length++] = octet;
      }
    }
  }
  const isCut = at < body.length;
  return {
    octets: octets.subarray(0, length),
    defect: isBad ? "bad_quoted_printable" : null,
    isCut,
  };
}

/** Behind the line end that follows an equals sign; 0 when none does. The end of the body is one. */
function afterSoftBreak(body: Uint8Array, start: number, limit: number): number {
  let at = start;
  // Padding a relay added; a line cannot be longer (RFC 2045 §6.7 rule 5), so neither is this loop.
  const end = Math.min(limit, start + 76);
  while (at < end && (body[at] === SPACE || body[at] === TAB)) at++;
  if (body[at] === CR && at < limit) at++;
  if (at >= limit) return at;
  return body[at] === LF ? at + 1 : 0;
}

/** Negative for what is no digit. */
function hexValue(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
