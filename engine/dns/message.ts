/**
 * DNS messages on the wire (RFC 1035 §4): writes a query, tells whether a message answers it, and
 * reads what an answer to one question needs. What it means is decided in `answer.ts`.
 *
 * `dns-packet` encodes the query and decodes the record data. The walk over the records is ours: the
 * library decodes every record of a message and throws the message away for a fault in one that
 * nobody asked for, and does not compare data with its announced length.
 */
import { Buffer } from "node:buffer";
import { dnsPacket } from "./dns_packet.ts";
import { readData, readName, readTtl, TYPE_CODES } from "./record_data.ts";
import type { RecordShapes, RecordType } from "./resolver.ts";

/** RFC 9715 §3.2 (and DNS flag day 2020): a UDP answer of this size is not fragmented. */
export const UDP_PAYLOAD_OCTETS = 1232;

/** Records a message may carry in all; above, it is malformed. Keeps a hostile one cheap to read. */
const MAX_RECORDS = 2000;
const HEADER_OCTETS = 12;
const CLASS_IN = 1;
const TYPE_NS = 2;
const TYPE_SOA = 6;
const TYPE_OPT = 41;

export interface Question<K extends RecordType = RecordType> {
  /** A canonical name. */
  readonly name: string;
  readonly type: K;
}

export interface AnswerRecord<T> {
  readonly owner: string;
  readonly ttlS: number;
  readonly value: T;
}

export interface Message<T> {
  /** With the upper bits from EDNS (RFC 6891 §6.1.3). */
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly recursionAvailable: boolean;
  readonly truncated: boolean;
  readonly authenticated: boolean;
  /** The server understands EDNS. */
  readonly edns: boolean;
  readonly records: readonly AnswerRecord<T>[];
  /** None when CNAME is the type asked for: then they are the records. */
  readonly aliases: readonly AnswerRecord<string>[];
  /** Seconds a negative answer holds: lesser of the SOA's TTL and its minimum (RFC 2308 §5). */
  readonly negativeTtlS: number | null;
  /** Name servers in the authority section. */
  readonly delegates: boolean;
}

/** The query for a question, ready to send. */
export function encodeQuery(
  question: Question,
  options: { readonly id: number; readonly edns: boolean },
): Uint8Array {
  return dnsPacket.encode({
    type: "query",
    id: options.id,
    // RFC 6840 §5.7: AD in a query asks for AD in the answer, without the weight of DO.
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.AUTHENTIC_DATA,
    // The only escape that `canonicalName` writes.
    questions: [{
      type: question.type,
      name: question.name.replaceAll("\\032", " "),
      class: "IN",
    }],
    additionals: options.edns
      ? [{ type: "OPT", name: ".", udpPayloadSize: UDP_PAYLOAD_OCTETS, flags: 0, options: [] }]
      : [],
  });
}

/** Whether a message is a reply to this query: id, direction and question (RFC 5452 §9.1). */
export function answersQuery(reply: Uint8Array, query: Uint8Array): boolean {
  if (reply.length < HEADER_OCTETS || reply[0] !== query[0] || reply[1] !== query[1]) return false;
  const isResponse = (reply[2] & 0x80) !== 0;
  const isStandardQuery = (reply[2] & 0x78) === 0;
  if (!isResponse || !isStandardQuery || reply[4] !== 0) return false;
  // Servers that cannot read a query return its header alone (RFC 1035 §4.1.1, FORMERR).
  if (reply[5] === 0) return reply.length === HEADER_OCTETS && (reply[3] & 0x0f) === 1;
  if (reply[5] !== 1) return false;
  let end = HEADER_OCTETS;
  while (query[end] !== 0) end += query[end] + 1;
  end += 5;
  if (reply.length < end) return false;
  for (let at = HEADER_OCTETS; at < end; at++) {
    if (lowerCase(reply[at]) !== lowerCase(query[at])) return false;
  }
  return true;
}

/** What a reply says about a question of this type, or `null` if it is malformed. */
export function readMessage<K extends RecordType>(
  reply: Uint8Array,
  type: K,
): Message<RecordShapes[K]> | null {
  try {
    return readSections(Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength), type);
  } catch {
    // Reads beyond the end of the buffer, here and in the library, are RangeErrors or Errors.
    return null;
  }
}

function readSections<K extends RecordType>(
  octets: Buffer,
  type: K,
): Message<RecordShapes[K]> | null {
  const flags = octets.readUInt16BE(2);
  const counts = [6, 8, 10].map((at) => octets.readUInt16BE(at));
  if (counts[0] + counts[1] + counts[2] > MAX_RECORDS) return null;

  let at = HEADER_OCTETS;
  for (let left = octets.readUInt16BE(4); left > 0; left--) at = readName(octets, at).end + 4;
  const records: AnswerRecord<RecordShapes[K]>[] = [];
  const aliases: AnswerRecord<string>[] = [];
  let negativeTtlS: number | null = null;
  let delegates = false;
  let edns = false;
  let rcode = flags & 0x0f;

  for (const [section, count] of counts.entries()) {
    for (let left = count; left > 0; left--) {
      const owner = readName(octets, at);
      const code = octets.readUInt16BE(owner.end);
      const recordClass = octets.readUInt16BE(owner.end + 2);
      const ttlS = readTtl(octets, owner.end + 4);
      const lengthAt = owner.end + 8;
      const dataEnd = lengthAt + 2 + octets.readUInt16BE(lengthAt);
      if (dataEnd > octets.length) return null;
      at = dataEnd;
      if (section === 2) {
        if (code !== TYPE_OPT) continue;
        edns = true;
        rcode |= octets[owner.end + 4] << 4;
      } else if (recordClass !== CLASS_IN) {
        continue;
      } else if (section === 1) {
        if (code === TYPE_NS) delegates = true;
        // The minimum is the last field of the data, behind two names and four numbers.
        if (code !== TYPE_SOA || dataEnd - lengthAt < 24) continue;
        negativeTtlS = Math.min(ttlS, readTtl(octets, dataEnd - 4));
      } else if (code === TYPE_CODES[type]) {
        const value = readData(octets, { type, at: lengthAt });
        if (value === null) return null;
        records.push({ owner: owner.name, ttlS, value });
      } else if (code === TYPE_CODES.CNAME) {
        const target = readData(octets, { type: "CNAME", at: lengthAt });
        if (target === null) return null;
        aliases.push({ owner: owner.name, ttlS, value: target });
      }
    }
  }
  return {
    rcode,
    authoritative: (flags & 0x0400) !== 0,
    truncated: (flags & 0x0200) !== 0,
    recursionAvailable: (flags & 0x0080) !== 0,
    authenticated: (flags & 0x0020) !== 0,
    edns,
    records,
    aliases,
    negativeTtlS,
    delegates,
  };
}

function lowerCase(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
}
