/** What travels together: deliveries of one message to one next hop, and whose bodies are read at once. */
import type { LeasedDelivery } from "../store/spool.ts";
import { MAX_RECIPIENTS } from "./transmission.ts";

/** Deliveries of one message to one next hop. */
export interface Consignment {
  readonly deliveries: readonly LeasedDelivery[];
  readonly octets: Uint8Array;
  /** When it goes back if nothing has begun with it, and when an attempt is broken off. */
  readonly beginBeforeMs: number;
  readonly endBeforeMs: number;
}

/** A consignment whose body is yet to be read, and the key of its next hop. */
export interface UnreadConsignment {
  readonly key: string;
  readonly deliveries: readonly LeasedDelivery[];
  /** When the lease began. */
  readonly leasedAtMs: number;
}

/** Octets of bodies in one read; a larger message goes alone. */
const READ_OCTETS = 8 * 1024 * 1024;

/** Puts deliveries together, in batches whose bodies are read at once. */
export function consign(
  leased: readonly LeasedDelivery[],
  options: {
    readonly leasedAtMs: number;
    readonly keyOf: (delivery: LeasedDelivery) => string;
  },
): readonly (readonly UnreadConsignment[])[] {
  const { leasedAtMs, keyOf } = options;
  const consignments: (UnreadConsignment & { deliveries: LeasedDelivery[] })[] = [];
  const open = new Map<string, UnreadConsignment & { deliveries: LeasedDelivery[] }>();
  for (const delivery of leased) {
    const key = keyOf(delivery);
    const name = `${delivery.message} ${key}`;
    let consignment = open.get(name);
    if (consignment === undefined || consignment.deliveries.length === MAX_RECIPIENTS) {
      consignment = { key, deliveries: [], leasedAtMs };
      open.set(name, consignment);
      consignments.push(consignment);
    }
    consignment.deliveries.push(delivery);
  }
  const batches: UnreadConsignment[][] = [];
  let octets = Infinity;
  for (const consignment of consignments) {
    const { sizeOctets } = consignment.deliveries[0];
    if (octets + sizeOctets > READ_OCTETS) {
      batches.push([]);
      octets = 0;
    }
    batches[batches.length - 1].push(consignment);
    octets += sizeOctets;
  }
  return batches;
}
