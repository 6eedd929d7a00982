/**
 * Bodies from the session worker that committed them to the delivery worker that will need them: moved,
 * not copied, and only within a window the receiver keeps open, for `postMessage` has no back-pressure.
 */
import type { QueueId } from "../mail/queue_id.ts";

/** Octets on their way to one receiver at the most. */
const WINDOW_OCTETS = 16 * 1024 * 1024;

export interface CommittedBody {
  readonly id: QueueId;
  /** Gone from the sender once it was handed over. */
  readonly octets: Uint8Array<ArrayBuffer>;
}

interface Handed {
  readonly ids: readonly QueueId[];
  readonly octets: readonly Uint8Array[];
}

/** The sender's end. */
export class BodyHandoff {
  readonly #port: MessagePort;
  #underWayOctets = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<number>) => {
      this.#underWayOctets -= data;
    };
  }

  /** Hands over what fits in the window; the rest the receiver reads from the spool. */
  offer(bodies: readonly CommittedBody[]): void {
    const ids: QueueId[] = [];
    const octets: Uint8Array[] = [];
    const buffers: ArrayBuffer[] = [];
    for (const body of bodies) {
      const length = body.octets.buffer.byteLength;
      if (this.#underWayOctets + length > WINDOW_OCTETS) continue;
      this.#underWayOctets += length;
      ids.push(body.id);
      octets.push(body.octets);
      buffers.push(body.octets.buffer);
    }
    if (ids.length === 0) return;
    const handed: Handed = { ids, octets };
    this.#port.postMessage(handed, buffers);
  }

  close(): void {
    this.#port.close();
  }
}

/** The receiver's end: passes bodies on and opens the window again. */
export function receiveBodies(
  port: MessagePort,
  put: (id: QueueId, octets: Uint8Array) => void,
): void {
  port.onmessage = ({ data }: MessageEvent<Handed>) => {
    let received = 0;
    data.ids.forEach((id, i) => {
      put(id, data.octets[i]);
      received += data.octets[i].buffer.byteLength;
    });
    port.postMessage(received);
  };
}
