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

  get octets(): number {
    return this.#octets;
  }

  /** Keeps a body; the oldest ones make room. */
  put(id: QueueId, octets: Uint8Array): void {
    if (octets.length > this.#limitOctets) return;
    this.#bodies.set(id, octets);
    this.#octets += octets.length;
    for (const [oldest, body] of this.#bodies) {
      if (this.#octets <= this.#limitOctets) break;
      this.#bodies.delete(oldest);
      this.#octets -= body.length;
    }
  }

  /** Removes and answers a body. */
  take(id: QueueId): Uint8Array | undefined {
    const body = this.#bodies.get(id);
    if (body === undefined) return undefined;
    this.#bodies.delete(id);
    this.#octets -= body.length;
    return body;
  }
}
