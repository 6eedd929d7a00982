/**
 * Names, TTLs and record data inside a DNS message (RFC 1035 §3.2.1, §4.1.4). The readers throw for
 * anything cut short or malformed; `message.ts` turns that into a value.
 *
 * Names are not left to `dns-packet`, which joins a label with a dot in it to a name that is not
 * there, takes octets for UTF-8 and lets pointers lead through a whole message, name after name.
 */
import type { Buffer } from "node:buffer";
import { dnsPacket } from "./dns_packet.ts";
import { canonicalAddress } from "./name.ts";
import type { RecordShapes, RecordType } from "./resolver.ts";

export const TYPE_CODES: Record<RecordType, number> = {
  A: 1,
  AAAA: 28,
  CNAME: 5,
  MX: 15,
  PTR: 12,
  SRV: 33,
  TLSA: 52,
  TXT: 16,
};

const MAX_NAME_OCTETS = 255;
/** A name has at most 127 labels; more pointers than this lead nowhere. */
const MAX_POINTERS = 127;

interface NameRead {
  /** In lower case; a dot or backslash inside a label is escaped, an odd octet is `\DDD`. */
  readonly name: string;
  /** Where the name ends in the message, its first pointer included. */
  readonly end: number;
}

/** The name at an offset, pointers followed. */
export function readName(octets: Buffer, start: number): NameRead {
  let at = start;
  let end: number | null = null;
  let nameOctets = 1;
  let pointers = 0;
  let name = "";
  while (true) {
    const length = octets.readUInt8(at);
    if (length === 0) break;
    if (length >= 0xc0) {
      const next = octets.readUInt16BE(at) & 0x3fff;
      // RFC 1035 §4.1.4: a pointer is to a prior occurrence.
      if (next >= at || ++pointers > MAX_POINTERS) throw new RangeError("name pointer");
      end ??= at + 2;
      at = next;
      continue;
    }
    nameOctets += length + 1;
    if (length > 63 || nameOctets > MAX_NAME_OCTETS) throw new RangeError("name length");
    if (at + 1 + length > octets.length) throw new RangeError("name cut short");
    if (name !== "") name += ".";
    name += presentLabel(octets.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: name === "" ? "." : name, end: end ?? at + 1 };
}

/** RFC 2181 §8: a TTL with the highest bit set counts as zero. */
export function readTtl(octets: Buffer, at: number): number {
  const ttlS = octets.readUInt32BE(at);
  return ttlS > 0x7fff_ffff ? 0 : ttlS;
}

/** The data whose length is announced at `at`, or `null` if the two do not agree. */
export function readData<K extends RecordType>(
  octets: Buffer,
  place: { readonly type: K; readonly at: number },
): RecordShapes[K] | null {
  const { value, end } = DATA_READERS[place.type](octets, place.at);
  return end === place.at + 2 + octets.readUInt16BE(place.at) ? value : null;
}

type DataReader<T> = (octets: Buffer, at: number) => { readonly value: T; readonly end: number };

const DATA_READERS: { readonly [K in RecordType]: DataReader<RecordShapes[K]> } = {
  A: (octets, at) => ({ value: dnsPacket.a.decode(octets, at), end: at + 6 }),
  AAAA: (octets, at) => {
    const address = canonicalAddress(dnsPacket.aaaa.decode(octets, at));
    if (address === null) throw new RangeError("AAAA");
    return { value: address, end: at + 18 };
  },
  CNAME: readNameData,
  PTR: readNameData,
  MX: (octets, at) => {
    const { name, end } = readName(octets, at + 4);
    return { value: { preference: octets.readUInt16BE(at + 2), exchange: name }, end };
  },
  SRV: (octets, at) => {
    const { name, end } = readName(octets, at + 8);
    const [priority, weight, port] = [2, 4, 6].map((offset) => octets.readUInt16BE(at + offset));
    return { value: { priority, weight, port, target: name }, end };
  },
  TXT: (octets, at) => {
    const strings = dnsPacket.txt.decode(octets, at);
    const value = strings.map((string) => string.toString("latin1")).join("");
    return { value, end: at + dnsPacket.txt.decode.bytes };
  },
  TLSA: (octets, at) => {
    const { usage, selector, matchingType, certificate } = dnsPacket.tlsa.decode(octets, at);
    // A copy: the cache would else hold on to the whole message.
    const value = { usage, selector, matchingType, certificate: Uint8Array.from(certificate) };
    return { value, end: at + dnsPacket.tlsa.decode.bytes };
  },
};

function readNameData(octets: Buffer, at: number): { value: string; end: number } {
  const { name, end } = readName(octets, at + 2);
  return { value: name, end };
}

function presentLabel(label: string): string {
  if (/^[!-[\]-~]*$/.test(label) && !label.includes(".")) return label.toLowerCase();
  return [...label].map((character) => {
    if (character === "." || character === "\\") return `\\${character}`;
    if (/[!-~]/.test(character)) return character.toLowerCase();
    return `\\${character.charCodeAt(0).toString().padStart(3, "0")}`;
  }).join("");
}
