/** The part of `dns-packet` in use here, typed: the package comes without declarations. */
import type { Buffer } from "node:buffer";
import untyped from "dns-packet";

interface DataDecoder<T> {
  /** `at` is where the two octets of the data's length are. Throws for data cut short. */
  decode: ((octets: Buffer, at: number) => T) & {
    /** Octets the last call read, with those of the length. */
    readonly bytes: number;
  };
}

export interface PacketQuestion {
  readonly type: string;
  readonly name: string;
  readonly class?: string;
}

export interface PacketRecord {
  readonly type: string;
  readonly name: string;
  readonly ttl?: number;
  readonly data?: unknown;
  readonly udpPayloadSize?: number;
  readonly extendedRcode?: number;
  readonly flags?: number;
  readonly options?: readonly unknown[];
}

export interface Packet {
  readonly type: "query" | "response";
  readonly id: number;
  /** The header's second 16 bits without QR; the lowest four are the RCODE. */
  readonly flags: number;
  readonly questions: readonly PacketQuestion[];
  readonly answers?: readonly PacketRecord[];
  readonly authorities?: readonly PacketRecord[];
  readonly additionals?: readonly PacketRecord[];
}

interface DnsPacket {
  readonly RECURSION_DESIRED: number;
  readonly RECURSION_AVAILABLE: number;
  readonly AUTHORITATIVE_ANSWER: number;
  readonly TRUNCATED_RESPONSE: number;
  readonly AUTHENTIC_DATA: number;
  encode(packet: Packet): Buffer;
  readonly a: DataDecoder<string>;
  readonly aaaa: DataDecoder<string>;
  readonly txt: DataDecoder<Buffer[]>;
  readonly tlsa: DataDecoder<{
    usage: number;
    selector: number;
    matchingType: number;
    certificate: Buffer;
  }>;
}

export const dnsPacket: DnsPacket = untyped;
