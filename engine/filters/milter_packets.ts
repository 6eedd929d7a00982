/**
 * The packets of the milter protocol, version 6, as Sendmail's libmilter and Postfix speak it: a length of four
 * octets, a command of one, and what belongs to it. What a milter says is hostile: lengths are bounded before
 * anything is kept, and what cannot be read is `null`.
 */
import { Buffer } from "node:buffer";

/** What we let a milter do (SMFIF_…): add and change fields, hold messages. */
const OFFERED_ACTIONS = 0x01 | 0x10 | 0x20;

/** Stages a milter may leave out, and ones it does not answer (SMFIP_…). */
export const ProtocolFlag = {
  noConnect: 0x1,
  noHelo: 0x2,
  noMail: 0x4,
  noRcpt: 0x8,
  noBody: 0x10,
  noHeaders: 0x20,
  noEndOfHeaders: 0x40,
  silentHeader: 0x80,
  noData: 0x200,
  skip: 0x400,
  silentConnect: 0x1000,
  silentHelo: 0x2000,
  silentMail: 0x4000,
  silentRcpt: 0x8000,
  silentData: 0x1_0000,
  silentEndOfHeaders: 0x4_0000,
  silentBody: 0x8_0000,
  /** Values of fields keep the space behind the colon. */
  leadingSpace: 0x10_0000,
} as const;

/** With those about commands we never send: SMFIP_NOUNKNOWN, SMFIP_NR_UNKN. */
const OFFERED_PROTOCOL = Object.values(ProtocolFlag).reduce((all, flag) => all | flag, 0x2_0100);
const VERSION = 6;
const OLDEST_VERSION = 2;

/** Largest packet a milter has reason to send: a field's value. */
export const MAX_PACKET_OCTETS = 128 * 1024;
/** MILTER_CHUNK_SIZE: what a milter need take of a body at once. */
export const MAX_CHUNK_OCTETS = 65_535;

export interface MilterOptions {
  readonly version: number;
  readonly protocol: number;
}

export type MilterReply =
  | {
    readonly kind:
      | "continue"
      | "accept"
      | "reject"
      | "tempfail"
      | "discard"
      | "skip"
      | "progress"
      | "unavailable";
  }
  | { readonly kind: "options"; readonly options: MilterOptions }
  | { readonly kind: "reply_code"; readonly text: string }
  | { readonly kind: "quarantine"; readonly reason: string }
  | { readonly kind: "add_header"; readonly name: string; readonly value: string }
  | {
    readonly kind: "insert_header" | "change_header";
    /** From 0 of all fields to insert before; from 1 of those with the name to change. */
    readonly index: number;
    readonly name: string;
    readonly value: string;
  };

/** One packet: its command, and what belongs to it, piece by piece. */
export function milterPacket(command: string, ...pieces: readonly Uint8Array[]): Uint8Array {
  const octets = pieces.reduce((sum, { length }) => sum + length, 1);
  const packet = Buffer.allocUnsafe(4 + octets);
  packet.writeUInt32BE(octets);
  packet.write(command, 4, "latin1");
  let at = 5;
  for (const piece of pieces) {
    packet.set(piece, at);
    at += piece.length;
  }
  return packet;
}

/** Texts as the protocol has them: each with a NUL behind it, and none in it. */
export function milterTexts(...texts: readonly string[]): Uint8Array {
  return Buffer.from(texts.map((text) => text.replaceAll("\0", "?") + "\0").join(""), "utf8");
}

/** What we can do, said first. */
export function negotiationPacket(): Uint8Array {
  const octets = Buffer.alloc(12);
  octets.writeUInt32BE(VERSION);
  octets.writeUInt32BE(OFFERED_ACTIONS, 4);
  octets.writeUInt32BE(OFFERED_PROTOCOL, 8);
  return milterPacket("O", octets);
}

/** Macros for the command that follows. */
export function macroPacket(
  command: string,
  macros: Readonly<Record<string, string | null>>,
): Uint8Array {
  const known = Object.entries(macros).flatMap(([name, value]) =>
    value === null ? [] : [name.length === 1 ? name : `{${name}}`, value]
  );
  return milterPacket("D", Buffer.from(command, "latin1"), milterTexts(...known));
}

/** Takes packets out of a stream, however it is cut. */
export class MilterPacketReader {
  /** What came and was not taken: less than a packet and one read. */
  #pending: Buffer = Buffer.alloc(0);

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  push(octets: Uint8Array): void {
    this.#pending = Buffer.concat([this.#pending, octets]);
  }

  /** `null` while more must come; `nonsense` for good. */
  next(): MilterReply | null | "nonsense" {
    if (this.#pending.length < 4) return null;
    const length = this.#pending.readUInt32BE();
    if (length < 1 || length > MAX_PACKET_OCTETS) return "nonsense";
    if (this.#pending.length < 4 + length) return null;
    const reply = readReply(this.#pending[4], this.#pending.subarray(5, 4 + length));
    this.#pending = this.#pending.subarray(4 + length);
    return reply ?? "nonsense";
  }
}

function readReply(command: number, rest: Buffer): MilterReply | null {
  switch (String.fromCharCode(command)) {
    case "c":
      return { kind: "continue" };
    case "a":
      return { kind: "accept" };
    case "r":
      return { kind: "reject" };
    case "t":
      return { kind: "tempfail" };
    case "d":
      return { kind: "discard" };
    case "s":
      return { kind: "skip" };
    case "p":
      return { kind: "progress" };
    // SMFIR_CONN_FAIL and SMFIR_SHUTDOWN
    case "f":
    case "4":
      return { kind: "unavailable" };
    case "O":
      return readOptions(rest);
    case "y":
      return map(readTexts(rest, 1), ([text]) => ({ kind: "reply_code", text }));
    case "q":
      return map(readTexts(rest, 1), ([reason]) => ({ kind: "quarantine", reason }));
    case "h":
      return map(
        readTexts(rest, 2),
        ([name, value]) => ({ kind: "add_header", name, value }),
      );
    case "i":
      return readIndexed("insert_header", rest);
    case "m":
      return readIndexed("change_header", rest);
    default:
      return null;
  }
}

/**
 * `null` also for a milter that leaves out or keeps silent at what we do not know of. Actions beyond what was
 * offered pass: rspamd always asks for them all. What counts is what it does, and of that the rest is `null`.
 */
function readOptions(rest: Buffer): MilterReply | null {
  if (rest.length < 12) return null;
  const version = rest.readUInt32BE();
  const protocol = rest.readUInt32BE(8);
  if (version < OLDEST_VERSION || version > VERSION) return null;
  if ((protocol & ~OFFERED_PROTOCOL) !== 0) return null;
  return { kind: "options", options: { version, protocol } };
}

function readIndexed(kind: "insert_header" | "change_header", rest: Buffer): MilterReply | null {
  if (rest.length < 4) return null;
  const index = rest.readUInt32BE();
  return map(readTexts(rest.subarray(4), 2), ([name, value]) => ({ kind, index, name, value }));
}

/** So many texts, each with its NUL; `null` when they are fewer. */
function readTexts(octets: Buffer, count: number): readonly string[] | null {
  const texts: string[] = [];
  let at = 0;
  while (texts.length < count) {
    const nul = octets.indexOf(0, at);
    if (nul < 0) return null;
    texts.push(octets.toString("utf8", at, nul));
    at = nul + 1;
  }
  return texts;
}

function map(
  texts: readonly string[] | null,
  make: (texts: readonly string[]) => MilterReply,
): MilterReply | null {
  return texts === null ? null : make(texts);
}
