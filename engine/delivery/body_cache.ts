/**
 * Bodies handed over by the session that just committed them, so that the first attempt need not read
 * them back. A cache and no more: what is not here is in the spool.
 */
import type { QueueId } from "../mail/queue_id.ts";

export class BodyCache {
  readonly #limitOctets: number;
  /** In order of arrival. */
  readonly #bodies = new Map<QueueId, Uint8Array>();
  #octets = 0;

  constructor(limitOctets: number) {
    this.#limitOctets = limitOctets;
  }

  /** Memory held: that of the buffers, which may be larger than the bodies in them. */
  get octets(): number {
    return this.#octets;
  }

  /** Keeps a body; the oldest ones make room. */
  put(id: QueueId, octets: Uint8Array): void {
    this.take(id);
    if (octets.buffer.byteLength > this.#limitOctets) return;
    this.#bodies.set(id, octets);
    this.#octets += octets.buffer.byteLength;
    for (const oldest of this.#bodies.keys()) {
      if (this.#octets <= this.#limitOctets) break;
      this.take(oldest);
    }
  }

  /** Removes and answers a body. */
  take(id: QueueId): Uint8Array | undefined {
    const body = this.#bodies.get(id);
    if (body === undefined) return undefined;
    this.#bodies.delete(id);
    this.#octets -= body.buffer.byteLength;
    return body;
  }
}
