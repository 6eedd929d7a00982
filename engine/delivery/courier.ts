/**
 * The way of a delivery through a delivery worker: read from the dispatcher, claimed in the spool, given
 * to its next hop, settled. Holds a bounded number at a time; a destination that is slow or away keeps
 * no more than its share, the rest goes back untried.
 */
import type { DeliveryId, QueueId } from "../mail/queue_id.ts";
import type { RoutedRecipient } from "../mail/envelope.ts";
import type { Dispatch, DispatchEntry } from "../store/dispatch.ts";
import type { LeasedDelivery, Settlement, Spool } from "../store/spool.ts";
import type { BodyCache } from "./body_cache.ts";
import type { Peer } from "./next_hop.ts";
import type { AttemptOutcome } from "./outcome.ts";
import { failed } from "./outcome.ts";
import type { RetrySchedule } from "./retry_schedule.ts";
import type { Settler, TrackedEntry } from "./settler.ts";
import { MAX_RECIPIENTS } from "./transmission.ts";
import { type FinishedAttempt, reportOf, settlementOf } from "./transmission_outcome.ts";

/** Deliveries of one message that travel together. */
export interface Consignment {
  readonly deliveries: readonly LeasedDelivery[];
  readonly octets: Uint8Array;
}

/** A consignment whose body is yet to be read, and the key of its next hop. */
interface UnreadConsignment {
  readonly key: string;
  readonly deliveries: readonly LeasedDelivery[];
}

export interface ConsignmentResult {
  /** By the order of the deliveries; empty when none was attempted. */
  readonly outcomes: readonly AttemptOutcome[];
  readonly peer: Peer | null;
}

/** Takes consignments to where they belong. */
export interface Carrier {
  /** What consignments are kept together by: the next hop's key. */
  keyOf(delivery: LeasedDelivery): string;
  /** How many more this key may hold; at 0 or below they go back untried. */
  roomFor(key: string): number;
  /** Never rejects. */
  carry(key: string, consignment: Consignment): Promise<ConsignmentResult>;
}

export interface CourierObserver {
  claimed(timing: { readonly claimMs: number; readonly deliveries: number }): void;
  attempted(attempt: FinishedAttempt, settlement: Settlement): void;
  failed(context: string, error: unknown): void;
}

export interface CourierOptions {
  readonly spool: Spool;
  readonly dispatch: Dispatch;
  readonly settler: Settler;
  readonly carrier: Carrier;
  readonly bodies: BodyCache;
  readonly shards: readonly number[];
  /** This worker's name in the dispatcher's group, the same after a restart. */
  readonly consumer: string;
  readonly owner: string;
  readonly leaseMs: number;
  readonly schedule: RetrySchedule;
  readonly hostname: string;
  readonly newQueueId: () => QueueId;
  readonly routeReport: (forwardPath: string) => Promise<RoutedRecipient | null>;
  readonly newBoundary: () => string;
  readonly now: () => number;
  readonly random: () => number;
  readonly observer: CourierObserver;
}

/** Deliveries under way in a worker at the most. */
const MAX_UNDER_WAY = 2000;
const ENTRIES_PER_READ = 8;
const READ_WAIT_MS = 1000;
/** Octets of bodies under way in a worker at the most, and in one read; a larger message goes alone. */
const MAX_OCTETS_UNDER_WAY = 128 * 1024 * 1024;
const READ_OCTETS = 8 * 1024 * 1024;
/** How soon what went back untried is looked at again. */
const RELEASE_DELAY_MS = 5_000;
const ERROR_PAUSE_MS = 500;

export class Courier {
  readonly #options: CourierOptions;
  #underWay = 0;
  #octetsUnderWay = 0;
  /** Who waits for something to end. */
  #waiters: (() => void)[] = [];
  #isDraining = false;

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  get underWay(): number {
    return this.#underWay;
  }

  /** Delivers until the signal ends it; what is under way then goes on. */
  async run(signal: AbortSignal): Promise<void> {
    const { dispatch, shards, consumer, observer } = this.#options;
    signal.addEventListener("abort", () => this.#notify());
    while (!signal.aborted) {
      if (this.#underWay >= MAX_UNDER_WAY) {
        await this.#change();
        continue;
      }
      try {
        const entries = await dispatch.read(shards, {
          consumer,
          maxEntries: ENTRIES_PER_READ,
          waitMs: READ_WAIT_MS,
        });
        if (entries.length > 0) await this.take(entries);
      } catch (error) {
        observer.failed("dispatch", error);
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
  }

  /** Claims what these entries name and sets it on its way; resolves once it is claimed. */
  async take(entries: readonly DispatchEntry[]): Promise<void> {
    const { spool, dispatch, owner, leaseMs, now, observer } = this.#options;
    const tracked = new Map<DeliveryId, TrackedEntry>();
    const byEntry: TrackedEntry[] = [];
    for (const entry of entries) {
      const trackedEntry = { entry, open: 0 };
      byEntry.push(trackedEntry);
      for (const id of entry.ids) tracked.set(id, trackedEntry);
    }
    const nowMs = now();
    const leased = await spool.claim([...tracked.keys()], {
      owner,
      nowMs,
      untilMs: nowMs + leaseMs,
    });
    observer.claimed({ claimMs: now() - nowMs, deliveries: leased.length });
    this.#underWay += leased.length;
    for (const { id } of leased) tracked.get(id)!.open++;
    const done = byEntry.filter(({ open }) => open === 0).map(({ entry }) => entry);
    if (done.length > 0) {
      dispatch.acknowledge(done).catch((error) => observer.failed("acknowledge", error));
    }
    for (const batch of this.#consign(leased)) await this.#begin(batch, tracked);
  }

  /** Lets go of what has not begun; resolves once everything under way is settled. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    while (this.#underWay > 0) await this.#change();
  }

  /** Resolves when something ended. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #notify(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** Sets consignments on their way once there is room for their bodies. */
  async #begin(
    batch: readonly UnreadConsignment[],
    tracked: ReadonlyMap<DeliveryId, TrackedEntry>,
  ): Promise<void> {
    const sizeOctets = batch.reduce((sum, { deliveries }) => sum + deliveries[0].sizeOctets, 0);
    while (
      this.#octetsUnderWay > 0 && this.#octetsUnderWay + sizeOctets > MAX_OCTETS_UNDER_WAY
    ) await this.#change();
    this.#octetsUnderWay += sizeOctets;
    let bodies: ReadonlyMap<QueueId, Uint8Array> | null = null;
    try {
      bodies = await this.#bodiesOf(batch);
    } catch (error) {
      this.#options.observer.failed("read", error);
    }
    for (const { key, deliveries } of batch) {
      const octets = bodies === null ? "unread" : bodies.get(deliveries[0].message);
      this.#deliver({ key, deliveries, octets }, tracked)
        .catch((error) => this.#options.observer.failed("delivery", error))
        .finally(() => {
          this.#underWay -= deliveries.length;
          this.#octetsUnderWay -= deliveries[0].sizeOctets;
          this.#notify();
        });
    }
  }

  async #bodiesOf(
    batch: readonly UnreadConsignment[],
  ): Promise<ReadonlyMap<QueueId, Uint8Array>> {
    const { bodies, spool } = this.#options;
    const found = new Map<QueueId, Uint8Array>();
    const missing = new Set<QueueId>();
    for (const { deliveries: [{ message }] } of batch) {
      if (found.has(message)) continue;
      const octets = bodies.take(message);
      if (octets === undefined) missing.add(message);
      else found.set(message, octets);
    }
    if (missing.size > 0) {
      for (const [message, octets] of await spool.read([...missing])) found.set(message, octets);
    }
    return found;
  }

  /** What travels together, in batches whose bodies are read at once. */
  #consign(leased: readonly LeasedDelivery[]): readonly (readonly UnreadConsignment[])[] {
    const consignments: { key: string; deliveries: LeasedDelivery[] }[] = [];
    const open = new Map<string, { key: string; deliveries: LeasedDelivery[] }>();
    for (const delivery of leased) {
      const key = this.#options.carrier.keyOf(delivery);
      const name = `${delivery.message} ${key}`;
      let consignment = open.get(name);
      if (consignment === undefined || consignment.deliveries.length === MAX_RECIPIENTS) {
        consignment = { key, deliveries: [] };
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

  async #deliver(
    consignment: UnreadConsignment & { readonly octets: Uint8Array | "unread" | undefined },
    tracked: ReadonlyMap<DeliveryId, TrackedEntry>,
  ): Promise<void> {
    const { settler, now } = this.#options;
    const { deliveries, octets } = consignment;
    const startedAtMs = now();
    const result = await this.#carry(consignment);
    const settlements = result.outcomes.length === 0
      ? deliveries.map(({ id }): Settlement => ({
        id,
        outcome: "released",
        nextAttemptAtMs: now() + (this.#isDraining ? 0 : RELEASE_DELAY_MS),
      }))
      : this.#settlementsOf(deliveries, result, startedAtMs);
    await settler.settle({
      settlements,
      reports: octets === "unread" ? [] : await this.#reportsOf(deliveries, settlements, octets),
      destination: deliveries[0].destination,
      entries: deliveries.map(({ id }) => tracked.get(id)!),
    });
  }

  #carry(
    { key, deliveries, octets }: UnreadConsignment & {
      readonly octets: Uint8Array | "unread" | undefined;
    },
  ): Promise<ConsignmentResult> {
    const { carrier } = this.#options;
    if (octets === undefined) {
      // Cannot happen while the store is sound; the sender should hear of it all the same.
      const outcome = failed("3.0", "the message's body is lost");
      return Promise.resolve({ outcomes: deliveries.map(() => outcome), peer: null });
    }
    if (octets === "unread" || this.#isDraining || carrier.roomFor(key) <= 0) {
      return Promise.resolve({ outcomes: [], peer: null });
    }
    return carrier.carry(key, { deliveries, octets });
  }

  #settlementsOf(
    deliveries: readonly LeasedDelivery[],
    result: ConsignmentResult,
    startedAtMs: number,
  ): Settlement[] {
    const { schedule, random, now, observer } = this.#options;
    const endedAtMs = now();
    return deliveries.map((delivery, i) => {
      const outcome = result.outcomes[i];
      const attempt = { delivery, outcome, peer: result.peer, startedAtMs, endedAtMs };
      const settlement = settlementOf(attempt, { schedule, random });
      observer.attempted(attempt, settlement);
      return settlement;
    });
  }

  async #reportsOf(
    deliveries: readonly LeasedDelivery[],
    settlements: readonly Settlement[],
    octets: Uint8Array | undefined,
  ) {
    const { hostname, newQueueId, newBoundary, now, routeReport } = this.#options;
    const failures = deliveries.map((delivery, i) => ({ delivery, settlement: settlements[i] }))
      .filter(({ settlement }) => settlement.outcome === "failed");
    if (failures.length === 0 || deliveries[0].reversePath === "") return [];
    const recipient = await routeReport(deliveries[0].reversePath);
    const report = reportOf(failures, octets ?? new Uint8Array(), {
      hostname,
      id: newQueueId(),
      nowMs: now(),
      boundary: newBoundary(),
      routeTo: () => recipient,
    });
    return report === null ? [] : [report];
  }
}
