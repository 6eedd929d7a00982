/**
 * What the rest of the engine asks of the DNS. An answer keeps apart what must not be confused:
 * records, none of this type, no such name, and not knowing (RFC 2308 §2). Only the last one may
 * become better by asking again; the others are facts and may end in a permanent failure.
 */

/** Why there is no answer; `overloaded` is ours (too many questions at once), all else theirs. */
export type TempfailReason =
  | "servfail"
  | "refused"
  | "timeout"
  | "malformed"
  | "cname_loop"
  | "unreachable"
  | "overloaded";

/** The outcome of a question. */
export type DnsAnswer<T> =
  | {
    readonly kind: "found";
    /** At least one, in the order of the answer. */
    readonly records: readonly T[];
    /** Seconds this remains true, the least along the CNAME chain. */
    readonly ttlS: number;
    /** The AD bit (RFC 4035 §3.2.3); worth as much as the server and the path to it are. */
    readonly authenticated: boolean;
  }
  | { readonly kind: "nodata" }
  | { readonly kind: "nxdomain" }
  | { readonly kind: "tempfail"; readonly reason: TempfailReason };

export interface MxRecord {
  readonly preference: number;
  /** `.` in a null MX (RFC 7505 §3). */
  readonly exchange: string;
}

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** `.` where the service is decidedly not offered. */
  readonly target: string;
}

/** RFC 6698 §2.1. */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matchingType: number;
  readonly certificate: Uint8Array;
}

/** The record types asked for, each with the shape of a record. */
export interface RecordShapes {
  A: string;
  AAAA: string;
  MX: MxRecord;
  TXT: string;
  PTR: string;
  SRV: SrvRecord;
  TLSA: TlsaRecord;
  CNAME: string;
}

export type RecordType = keyof RecordShapes;

/**
 * Asks the DNS. Names are A-labels, in either case, with or without the trailing dot; names in
 * answers are in lower case without it, the root is `.`. CNAME chains are followed, save by `cname`.
 * A name that no query can carry (a label empty or over 63 octets, a character outside printable
 * ASCII) is `nxdomain`. No method throws or rejects for anything a server or a name can cause.
 */
export interface Resolver {
  /** IPv4 addresses, dotted. */
  a(name: string): Promise<DnsAnswer<string>>;
  /** IPv6 addresses, in the form of RFC 5952. */
  aaaa(name: string): Promise<DnsAnswer<string>>;
  /** Mail exchangers, unsorted. */
  mx(name: string): Promise<DnsAnswer<MxRecord>>;
  /**
   * A string per record, its character-strings joined without a separator (RFC 7208 §3.3). Each
   * character is one octet (latin1), so nothing is lost; whoever expects UTF-8 decodes it.
   */
  txt(name: string): Promise<DnsAnswer<string>>;
  /** Host names; `name` is what `reverseName` makes of an address. */
  ptr(name: string): Promise<DnsAnswer<string>>;
  /** Unsorted; `name` carries service and protocol, `_submission._tcp.example` (RFC 2782). */
  srv(name: string): Promise<DnsAnswer<SrvRecord>>;
  /** `name` carries port and protocol, `_25._tcp.mx.example` (RFC 6698 §3). */
  tlsa(name: string): Promise<DnsAnswer<TlsaRecord>>;
  /** The next name of a chain, not followed further. */
  cname(name: string): Promise<DnsAnswer<string>>;
}
