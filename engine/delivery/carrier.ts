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

  /** Gives back what waits for a session. */
  withdraw(): void {
    for (const destination of this.#destinations.values()) destination.withdraw();
  }

  /** Call about once a second. */
  tick(nowMs: number): void {
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
    return destination.submit({
      reversePath,
      forwardPaths,
      bodyType,
      needsSmtpUtf8: needsSmtpUtf8([reversePath, ...forwardPaths], smtpUtf8, octets),
      octets,
      beginBeforeMs,
      endBeforeMs,
    });
  }
}

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;

/**
 * Whether a server must know SMTPUTF8 to get this message. Many clients ask for it always, so the
 * request alone does not tell (RFC 6531 §3.1).
 */
function needsSmtpUtf8(paths: readonly string[], asked: boolean, octets: Uint8Array): boolean {
  if (paths.some((path) => !ASCII.test(path))) return true;
  if (!asked) return false;
  const { sizeOctets } = readHeaderSection(octets);
  return !ASCII.test(Buffer.from(octets.subarray(0, sizeOctets)).toString("latin1"));
}
