/**
 * The parts of a message that may hold a report (RFC 2045, RFC 2046): finds and decodes them, and no more.
 * Takes what a stranger sent, in linear time and within bounds; what cannot be read is left out.
 */
import { Buffer } from "node:buffer";
import { type HeaderSection, readHeaderSection } from "../../mail/header_section.ts";

export interface MailPart {
  /** In lower case. */
  readonly mediaType: string;
  /** As it stands in the message. */
  readonly sizeOctets: number;
  /** Decodes it, each time it is called. */
  readonly octets: () => Uint8Array;
}

const MAX_PARTS = 50;
/** Containers and parts that are looked at. */
const MAX_ENTITIES = 200;
const MAX_DEPTH = 4;
const LF = 10;
const CR = 13;

/** The leaves of a message in their order; a message without parts is one. */
export function partsOf(octets: Uint8Array, header: HeaderSection): readonly MailPart[] {
  const found: Found = { parts: [], entities: 0 };
  collect(octets.subarray(header.bodyOctet), header, { found, depth: 0 });
  return found.parts;
}

interface Found {
  readonly parts: MailPart[];
  entities: number;
}

function collect(
  body: Uint8Array,
  header: HeaderSection,
  { found, depth }: { readonly found: Found; readonly depth: number },
): void {
  const { mediaType, boundary } = contentType(header.first("Content-Type"));
  if (boundary !== null && mediaType.startsWith("multipart/")) {
    if (depth >= MAX_DEPTH) return;
    for (const entity of split(body, boundary)) {
      if (++found.entities > MAX_ENTITIES || found.parts.length >= MAX_PARTS) return;
      const own = readHeaderSection(entity);
      collect(entity.subarray(own.bodyOctet), own, { found, depth: depth + 1 });
    }
    return;
  }
  const encoding = header.first("Content-Transfer-Encoding");
  found.parts.push({
    mediaType,
    sizeOctets: body.length,
    octets: () => decode(body, encoding),
  });
}

const TYPE = /^[a-z0-9.+-]{1,127}\/[a-z0-9.+-]{1,127}/;

/** Enough of a Content-Type to find parts by. */
function contentType(value: string | null): {
  readonly mediaType: string;
  readonly boundary: string | null;
} {
  const text = value ?? "";
  const mediaType = TYPE.exec(text.toLowerCase())?.[0] ?? "text/plain";
  // The value is bounded, see `HeaderSection.first`.
  const match = /;\s{0,99}boundary\s{0,9}=\s{0,9}(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(text);
  return { mediaType, boundary: match === null ? null : match[1] ?? match[2] };
}

/**
 * What stands between the delimiter lines (RFC 2046 §5.1.1), without the line end before the next. They are
 * looked for together with that line end, so that no text is like many of them at once.
 */
function* split(body: Uint8Array, boundary: string): Generator<Uint8Array> {
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = Buffer.from(`\n--${boundary}`);
  const isFirst = view.subarray(0, delimiter.length - 1).equals(delimiter.subarray(1));
  let start = -1;
  for (let at = isFirst ? -1 : view.indexOf(delimiter);; at = view.indexOf(delimiter, start - 1)) {
    if (at < 0 && (!isFirst || start >= 0)) break;
    if (start >= 0) yield view.subarray(start, Math.max(start, view[at - 1] === CR ? at - 1 : at));
    const behind = at + delimiter.length;
    if (view[behind] === 0x2d && view[behind + 1] === 0x2d) return;
    const lineEnd = view.indexOf(LF, behind);
    if (lineEnd < 0) return;
    start = lineEnd + 1;
  }
  // A message that is cut off, or whose last delimiter is missing.
  if (start >= 0) yield view.subarray(start);
}

function decode(body: Uint8Array, encoding: string | null): Uint8Array {
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  switch ((encoding ?? "").trim().toLowerCase()) {
    case "base64":
      return Buffer.from(view.toString("latin1"), "base64");
    case "quoted-printable":
      return unquote(view);
    default:
      return body;
  }
}

const EQUALS = 0x3d;

/** RFC 2045 §6.7; what is no escape stays as it is. */
function unquote(body: Buffer): Uint8Array {
  const decoded = Buffer.allocUnsafe(body.length);
  let end = 0;
  for (let at = 0; at < body.length; at++) {
    if (body[at] !== EQUALS) {
      decoded[end++] = body[at];
      continue;
    }
    if (body[at + 1] === LF) at += 1;
    else if (body[at + 1] === CR && body[at + 2] === LF) at += 2;
    else {
      const octet = hex(body[at + 1]) * 16 + hex(body[at + 2]);
      if (octet >= 0) {
        decoded[end++] = octet;
        at += 2;
      } else decoded[end++] = EQUALS;
    }
  }
  return decoded.subarray(0, end);
}

function hex(octet: number | undefined): number {
  if (octet === undefined) return -Infinity;
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -Infinity;
}
