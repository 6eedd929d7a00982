/** Takes consignments to mailboxes of ours and to other servers; the worker's only `Carrier`. */
import { Buffer } from "node:buffer";
import { readHeaderSection } from "../mail/header_section.ts";
import type { DirectoryAnswer } from "../routing/route.ts";
import type { LeasedDelivery } from "../store/spool.ts";
import type { Consignment } from "./consignment.ts";
import type { Carrier, ConsignmentResult } from "./courier.ts";
import { Destination, type DestinationOptions } from "./destination.ts";
import type { LocalDelivery } from "./local/local_delivery.ts";
import { type NextHop, nextHopKey, type OpenedNextHop, type Smarthost } from "./next_hop.ts";
import { type AttemptOutcome, deferred, failed } from "./outcome.ts";

export interface CarrierOptions {
  readonly local: LocalDelivery;
  readonly lookup: (forwardPath: string) => Promise<DirectoryAnswer>;
  readonly smarthost: Smarthost | null;
  readonly deliveryPort: number;
  readonly open: (nextHop: NextHop) => Promise<OpenedNextHop>;
  readonly pool: Omit<DestinationOptions, "open">;
}

const LOCAL = "local";
const MAX_LOCAL = 500;
/** Consignments that may wait for one next hop in a worker. */
const MAX_WAITING = 500;

export class MailCarrier implements Carrier {
  readonly #options: CarrierOptions;
  readonly #destinations = new Map<string, Destination>();
  #localUnderWay = 0;

  constructor(options: CarrierOptions) {
    this.#options = options;
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
    return delivery.transport === "local" ? LOCAL : nextHopKey(this.#nextHopOf(delivery));
  }

  roomFor(key: string): number {
    if (key === LOCAL) return MAX_LOCAL - this.#localUnderWay;
    return MAX_WAITING - (this.#destinations.get(key)?.waitingCount ?? 0);
  }

  carry(key: string, consignment: Consignment): Promise<ConsignmentResult> {
    return key === LOCAL ? this.#carryLocal(consignment) : this.#carryRemote(key, consignment);
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

  #carryRemote(key: string, consignment: Consignment): Promise<ConsignmentResult> {
    const { deliveries, octets, beginBeforeMs, endBeforeMs } = consignment;
    let destination = this.#destinations.get(key);
    if (destination === undefined) {
      const nextHop = this.#nextHopOf(deliveries[0]);
      const { open, pool } = this.#options;
      destination = new Destination({ ...pool, open: () => open(nextHop) });
      this.#destinations.set(key, destination);
    }
    const [{ reversePath, bodyType, smtpUtf8 }] = deliveries;
    const forwardPaths = deliveries.map(({ forwardPath }) => forwardPath);
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

  async #carryLocal({ deliveries, octets }: Consignment): Promise<ConsignmentResult> {
    this.#localUnderWay += deliveries.length;
    try {
      const outcomes = await Promise.all(
        deliveries.map((delivery) => this.#deliverLocally(delivery, octets)),
      );
      return { outcomes, peer: null };
    } finally {
      this.#localUnderWay -= deliveries.length;
    }
  }

  async #deliverLocally(delivery: LeasedDelivery, octets: Uint8Array): Promise<AttemptOutcome> {
    const { local, lookup } = this.#options;
    let answer: DirectoryAnswer;
    try {
      answer = await lookup(delivery.forwardPath);
    } catch {
      return deferred("3.0", "the directory is unavailable");
    }
    if (answer.kind !== "mailbox") return failed("1.1", "there is no such mailbox any more");
    const outcome = await local.deliver({
      id: delivery.id,
      domain: delivery.destination,
      user: answer.user,
      reversePath: delivery.reversePath,
      forwardPath: delivery.forwardPath,
      queuedAtMs: delivery.queuedAtMs,
      octets,
      mayBeRepeated: delivery.attempts > 0 || delivery.wasLeased,
    });
    switch (outcome.kind) {
      case "delivered":
        return { kind: "delivered", enhancedStatus: "2.0.0", diagnostic: "in the mailbox" };
      case "deferred":
      case "failed":
        return {
          kind: outcome.kind,
          enhancedStatus: outcome.enhancedStatus,
          diagnostic: outcome.reason,
        };
    }
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
