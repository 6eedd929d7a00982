/**
 * Unpacks what reports travel in: gzip (RFC 1952) and ZIP, told by their first octets, whatever they are
 * called. What comes out is bounded, however little went in; unpacking is done off the event loop.
 */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gunzip, inflateRaw } from "node:zlib";

/** No honest report is larger; the largest seen have some ten thousand records. */
export const MAX_UNPACKED_OCTETS = 8 * 1024 * 1024;

export type Unpacked =
  | { readonly kind: "octets"; readonly octets: Uint8Array }
  | { readonly kind: "fault"; readonly fault: string };

const gunzipAsync = promisify(gunzip);
const inflateAsync = promisify(inflateRaw);

/** Octets that are not packed come back as they are. */
export async function unpack(octets: Uint8Array): Promise<Unpacked> {
  const limits = { maxOutputLength: MAX_UNPACKED_OCTETS };
  try {
    if (octets[0] === 0x1f && octets[1] === 0x8b) {
      return { kind: "octets", octets: await gunzipAsync(octets, limits) };
    }
    if (octets[0] === 0x50 && octets[1] === 0x4b) {
      const entry = firstEntry(octets);
      if (entry === null) return { kind: "fault", fault: "the ZIP archive cannot be read" };
      if (!entry.isDeflated) return bounded(entry.octets);
      return { kind: "octets", octets: await inflateAsync(entry.octets, limits) };
    }
    return bounded(octets);
  } catch {
    return { kind: "fault", fault: "it cannot be unpacked, or is too large" };
  }
}

function bounded(octets: Uint8Array): Unpacked {
  return octets.length > MAX_UNPACKED_OCTETS
    ? { kind: "fault", fault: "it is too large" }
    : { kind: "octets", octets };
}

const END_OF_DIRECTORY = 0x06054b50;
const END_OCTETS = 22;
const MAX_COMMENT_OCTETS = 65_535;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_OCTETS = 46;
const LOCAL_ENTRY = 0x04034b50;
const LOCAL_ENTRY_OCTETS = 30;
const ENCRYPTED = 1;
const STORED = 0;
const DEFLATED = 8;
/** Folders and files beside the report that are looked past. */
const MAX_ENTRIES = 20;

interface Entry {
  readonly octets: Uint8Array;
  readonly isDeflated: boolean;
}

/** The first file of an archive, as its directory describes it (PKWARE's APPNOTE §4.3). */
function firstEntry(octets: Uint8Array): Entry | null {
  const archive = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  let end = archive.length - END_OCTETS;
  const lowest = Math.max(0, end - MAX_COMMENT_OCTETS);
  while (end >= lowest && archive.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  if (end < lowest) return null;
  let at = archive.readUInt32LE(end + 16);
  for (let n = Math.min(archive.readUInt16LE(end + 10), MAX_ENTRIES); n > 0; n--) {
    if (at + DIRECTORY_ENTRY_OCTETS > archive.length) return null;
    if (archive.readUInt32LE(at) !== DIRECTORY_ENTRY) return null;
    const size = archive.readUInt32LE(at + 20);
    const method = archive.readUInt16LE(at + 10);
    const isReadable = (method === STORED || method === DEFLATED) &&
      (archive.readUInt16LE(at + 8) & ENCRYPTED) === 0;
    if (size > 0 && isReadable) {
      const data = localData(archive, archive.readUInt32LE(at + 42), size);
      return data === null ? null : { octets: data, isDeflated: method === DEFLATED };
    }
    at += DIRECTORY_ENTRY_OCTETS + archive.readUInt16LE(at + 28) +
      archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return null;
}

function localData(archive: Buffer, at: number, size: number): Uint8Array | null {
  if (at + LOCAL_ENTRY_OCTETS > archive.length) return null;
  if (archive.readUInt32LE(at) !== LOCAL_ENTRY) return null;
  const start = at + LOCAL_ENTRY_OCTETS + archive.readUInt16LE(at + 26) +
    archive.readUInt16LE(at + 28);
  return start + size > archive.length ? null : archive.subarray(start, start + size);
}
