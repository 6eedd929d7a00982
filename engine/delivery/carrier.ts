/** Takes consignments to mailboxes of ours and to other servers; the worker's only `Carrier`. */
import { Buffer } from "node:buffer";
import { readHeaderSection } from "../mail/header_section.ts";
import type { LeasedDelivery } from "../store/spool.ts";
import type { Consignment } from "./consignment.ts";
import type { Carrier, ConsignmentResult } from "./courier.ts";
import { Destination, type DestinationOptions } from "./destination.ts";
import { LocalCarrier, type LocalCarrierOptions } from "./local_carrier.ts";
import { type NextHop, nextHopKey, type OpenedNextHop, type Smarthost } from "./next_hop.ts";

export interface CarrierOptions {
  readonly local: Omit<LocalCarrierOptions, "submitLmtp">;
  readonly smarthost: Smarthost | null;
  readonly deliveryPort: number;
  readonly open: (nextHop: NextHop) => Promise<OpenedNextHop>;
  readonly pool: Omit<DestinationOptions, "open">;
}

/** In front of a domain whose mailboxes are ours; no next hop's key begins so. */
const LOCAL = "local ";
/** Consignments that may wait for one next hop in a worker. */
const MAX_WAITING = 500;

export class MailCarrier implements Carrier {
  readonly #options: CarrierOptions;
  readonly #destinations = new Map<string, Destination>();
  readonly #local: LocalCarrier;

  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#local = new LocalCarrier({
      ...options.local,
      submitLmtp: (address, consignment, forwardPaths) =>
        this.#submit({ kind: "lmtp", address }, consignment, forwardPaths),
    });
  }

  /** Sessions by what they do. */
  get sessions(): { readonly busy: number; readonly idle: number } {
    let busy = 0;
    let idle = 0;
    for (const destination of this.#destinations.values()) {
      busy += destination.sessionCount - destination.idleCount;
      idle += destination.idleCount;
    }
    return { busy, idle };
  }

  keyOf(delivery: LeasedDelivery): string {
    return delivery.transport === "local"
      ? LOCAL + delivery.destination
      : nextHopKey(this.#nextHopOf(delivery));
  }

  roomFor(key: string): number {
    if (key.startsWith(LOCAL)) return this.#local.roomFor(key.slice(LOCAL.length));
    return MAX_WAITING - (this.#destinations.get(key)?.waitingCount ?? 0);
  }

  carry(key: string, consignment: Consignment): Promise<ConsignmentResult> {
    if (key.startsWith(LOCAL)) return this.#local.carry(key.slice(LOCAL.length), consignment);
    const { deliveries } = consignment;
    const forwardPaths = deliveries.map(({ forwardPath }) => forwardPath);
    return this.#submit(this.#nextHopOf(deliveries[0]), consignment, forwardPaths);
  }

  /** Gives back what waits for a session, or for its turn. */
  withdraw(): void {
    this.#local.withdraw();
    for (const destination of this.#destinations.values()) destination.withdraw();
  }

  /** Call about once a second. */
  tick(nowMs: number): void {
    this.#local.tick(nowMs);
    for (const [key, destination] of this.#destinations) {
      destination.tick(nowMs);
      if (destination.isUnused) this.#destinations.delete(key);
    }
  }

  close(): void {
    for (const destination of this.#destinations.values()) destination.close();
  }

  #nextHopOf({ destination }: LeasedDelivery): NextHop {
    const { smarthost, deliveryPort } = this.#options;
    // Where a port was named, mail goes there whatever the other mail does; literals end in a bracket.
    const routed = /^(.+):([0-9]{1,5})$/.exec(destination);
    if (routed !== null) return { kind: "mx", domain: routed[1], port: Number(routed[2]) };
    return smarthost === null
      ? { kind: "mx", domain: destination, port: deliveryPort }
      : { kind: "smarthost", smarthost };
  }

  #submit(
    nextHop: NextHop,
    { deliveries, octets, beginBeforeMs, endBeforeMs }: Consignment,
    forwardPaths: readonly string[],
  ): Promise<ConsignmentResult> {
    const key = nextHopKey(nextHop);
    let destination = this.#destinations.get(key);
    if (destination === undefined) {
      const { open, pool } = this.#options;
      destination = new Destination({ ...pool, open: () => open(nextHop) });
      this.#destinations.set(key, destination);
    }
    const [{ reversePath, bodyType, smtpUtf8 }] = deliveries;
    const hasUtf8Path = [reversePath, ...forwardPaths].some((path) => !ASCII.test(path));
    const hasUtf8Header = smtpUtf8 && !hasAsciiHeader(octets);
    // Departs from RFC 6531 §3.1: a mailbox keeps octets as they come, so that what fills it, and may
    // not know SMTPUTF8, gets all but addresses it cannot read; the header section as eight-bit content.
    const isFinal = nextHop.kind === "lmtp";
    return destination.submit({
      reversePath,
      forwardPaths,
      bodyType: isFinal && hasUtf8Header ? "8bitmime" : bodyType,
      needsSmtpUtf8: hasUtf8Path || (hasUtf8Header && !isFinal),
      octets,
      beginBeforeMs,
      endBeforeMs,
    });
  }
}

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/**
 * Many clients ask for SMTPUTF8 always, so the request alone does not tell whether a server must know it
 * to get this message (RFC 6531 §3.1).
 */
function hasAsciiHeader(octets: Uint8Array): boolean {
  const { sizeOctets } = readHeaderSection(octets);
  return ASCII.test(Buffer.from(octets.subarray(0, sizeOctets)).toString("latin1"));
}
