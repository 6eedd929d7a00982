/** A message with room in front of it: what is put on top or taken out of its header section moves no body. */
import type { OctetRange } from "../mail/octet_range.ts";

export class RoomyMessage {
  #octets: Uint8Array<ArrayBuffer>;
  #start: number;
  #end: number;
  /** Whether the message came with octets above 127. */
  readonly isEightBit: boolean;

  /** @param place where in `octets` the message lies. */
  constructor(
    octets: Uint8Array<ArrayBuffer>,
    place: OctetRange & { readonly isEightBit: boolean },
  ) {
    this.#octets = octets;
    this.#start = place.startOctet;
    this.#end = place.endOctet;
    this.isEightBit = place.isEightBit;
  }

  get octets(): Uint8Array<ArrayBuffer> {
    return this.#octets.subarray(this.#start, this.#end);
  }

  /** What `prepend` takes without copying the message. */
  get roomOctets(): number {
    return this.#start;
  }

  /** Puts octets in front, without copying the message while there is room. */
  prepend(front: Uint8Array): void {
    if (front.length > this.#start) {
      this.#octets = this.copyBehind(front);
      this.#start = 0;
      this.#end = this.#octets.length;
    } else {
      this.#start -= front.length;
      this.#octets.set(front, this.#start);
    }
  }

  /** The message with octets in front of it, in a buffer of its own. */
  copyBehind(front: Uint8Array): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(front.length + this.#end - this.#start);
    copy.set(front);
    copy.set(this.octets, front.length);
    return copy;
  }

  /**
   * Takes octets out. What stands in front of them moves up, each octet once, and what stands behind them
   * stays where it is.
   *
   * @param ranges in ascending order, none within another.
   */
  cut(ranges: readonly OctetRange[]): void {
    let to = ranges.at(-1)?.endOctet ?? 0;
    for (let n = ranges.length - 1; n >= 0; n--) {
      const from = n === 0 ? 0 : ranges[n - 1].endOctet;
      const { startOctet } = ranges[n];
      to -= startOctet - from;
      this.#octets.copyWithin(this.#start + to, this.#start + from, this.#start + startOctet);
    }
    this.#start += to;
  }
}
