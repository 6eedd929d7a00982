/**
 * Rows in Postgres' binary COPY format, version 1 (PostgreSQL documentation, "COPY", "Binary Format").
 * Knows no table: the caller writes the columns in the order of its COPY statement.
 */
import { Buffer } from "node:buffer";

/** Signature, flags and length of the header extension. */
const HEADER = Buffer.from("504743 4f50590aff0d0a00 00000000 00000000".replaceAll(" ", ""), "hex");
/** 2000-01-01T00:00:00Z, where Postgres counts timestamps from. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
const INITIAL_OCTETS = 16 * 1024;

export class CopyRows {
  #octets: Buffer;
  #end: number;

  /** @param sizeOctets what the rows will about take; more is made room for. */
  constructor(sizeOctets = INITIAL_OCTETS) {
    this.#octets = Buffer.allocUnsafeSlow(HEADER.length + sizeOctets);
    this.#end = HEADER.copy(this.#octets);
  }

  /** Begins a row of that many columns. */
  row(columns: number): this {
    this.#reserve(2);
    this.#end = this.#octets.writeInt16BE(columns, this.#end);
    return this;
  }

  null(): this {
    return this.#length(-1, 0);
  }

  bool(value: boolean): this {
    this.#length(1, 1);
    this.#octets[this.#end++] = value ? 1 : 0;
    return this;
  }

  int2(value: number): this {
    this.#length(2, 2);
    this.#end = this.#octets.writeInt16BE(value, this.#end);
    return this;
  }

  int4(value: number): this {
    this.#length(4, 4);
    this.#end = this.#octets.writeInt32BE(value, this.#end);
    return this;
  }

  /** A bigint in two unsigned halves. */
  int8(value: { readonly high: number; readonly low: number }): this {
    this.#length(8, 8);
    this.#end = this.#octets.writeUInt32BE(value.high, this.#end);
    this.#end = this.#octets.writeUInt32BE(value.low, this.#end);
    return this;
  }

  timestamp(unixMs: number): this {
    const microseconds = (unixMs - POSTGRES_EPOCH_MS) * 1000;
    const high = Math.floor(microseconds / 2 ** 32);
    return this.int8({ high: high >>> 0, low: microseconds - high * 2 ** 32 });
  }

  /** Text without NUL, which Postgres cannot hold. */
  text(value: string): this {
    this.#reserve(4 + value.length * 3);
    const octets = this.#octets.write(value, this.#end + 4, "utf8");
    this.#octets.writeInt32BE(octets, this.#end);
    this.#end += 4 + octets;
    return this;
  }

  bytea(value: Uint8Array): this {
    this.#length(value.length, value.length);
    this.#octets.set(value, this.#end);
    this.#end += value.length;
    return this;
  }

  /** Everything written, with the trailer; the rows must not be used after. */
  finish(): Uint8Array {
    this.#reserve(2);
    this.#end = this.#octets.writeInt16BE(-1, this.#end);
    return this.#octets.subarray(0, this.#end);
  }

  #length(length: number, following: number): this {
    this.#reserve(4 + following);
    this.#end = this.#octets.writeInt32BE(length, this.#end);
    return this;
  }

  #reserve(octets: number): void {
    const needed = this.#end + octets;
    if (needed <= this.#octets.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#octets.length * 2));
    this.#octets.copy(grown, 0, 0, this.#end);
    this.#octets = grown;
  }
}
