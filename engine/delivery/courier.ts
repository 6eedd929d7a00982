/**
 * The way of a delivery through a delivery worker: read from the dispatcher, claimed in the spool, given
 * to its next hop, settled. Holds a bounded number at a time; a destination that is slow or away keeps
 * no more than its share, the rest goes back untried.
 */
import { Buffer } from "node:buffer";
import type { DeliveryId, QueueId } from "../mail/queue_id.ts";
import type { RoutedRecipient } from "../mail/envelope.ts";
import { type Dispatch, type DispatchEntry, IDS_PER_ENTRY } from "../store/dispatch.ts";
import type { AcceptedMessage, LeasedDelivery, Settlement, Spool } from "../store/spool.ts";
import type { BodyCache } from "./body_cache.ts";
import { consign, type Consignment, type UnreadConsignment } from "./consignment.ts";
import type { Peer } from "./next_hop.ts";
import type { AttemptOutcome } from "./outcome.ts";
import { deferred, failed } from "./outcome.ts";
import type { RetrySchedule } from "./retry_schedule.ts";
import type { Settler, TrackedEntry } from "./settler.ts";
import { type FinishedAttempt, reportOf, settlementOf } from "./transmission_outcome.ts";

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
  /** Where a sender is reached, who may be a list; nobody where that is nowhere. */
  readonly routeReport: (forwardPath: string) => Promise<readonly RoutedRecipient[]>;
  readonly newBoundary: () => string;
  /** Fields to put on top of a report that leaves in our name. @throws {StoreUnavailableError} */
  readonly signReport: (octets: Uint8Array) => Promise<string>;
  readonly now: () => number;
  readonly random: () => number;
  readonly observer: CourierObserver;
}

/** Deliveries under way in a worker at the most. */
const MAX_UNDER_WAY = 2000;
const ENTRIES_PER_READ = 32;
/** Between two claims of a busy worker, so that each finds more to claim. */
const CLAIM_PACE_MS = 5;
const READ_WAIT_MS = 1000;
/** Octets of bodies under way in a worker at the most; a larger message goes alone. */
const MAX_OCTETS_UNDER_WAY = 128 * 1024 * 1024;
/** How soon what went back untried is looked at again. */
const RELEASE_DELAY_MS = 5_000;
/** Parts of a lease: for waiting at the most, and until an attempt is broken off, to be recorded in time. */
const WAITING_PART = 0.5;
const ATTEMPT_PART = 0.95;
const ERROR_PAUSE_MS = 500;

export class Courier {
  readonly #options: CourierOptions;
  #underWay = 0;
  #octetsUnderWay = 0;
  /** Ids under way, with those of claims nobody knows the end of. */
  readonly #ids = new Set<DeliveryId>();
  /** Deliveries under way by the key of their next hop. */
  readonly #held = new Map<string, number>();
  #carried = 0;
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
    let claimedMs = -Infinity;
    while (!signal.aborted) {
      if (this.#underWay >= MAX_UNDER_WAY) {
        await this.#change();
        continue;
      }
      try {
        const paceMs = this.#underWay > 0 ? claimedMs + CLAIM_PACE_MS - performance.now() : 0;
        if (paceMs > 0) await new Promise((resolve) => setTimeout(resolve, paceMs));
        const room = Math.floor((MAX_UNDER_WAY - this.#underWay) / IDS_PER_ENTRY);
        const entries = await dispatch.read(shards, {
          consumer,
          maxEntries: Math.max(1, Math.min(room, ENTRIES_PER_READ)),
          waitMs: READ_WAIT_MS,
        });
        claimedMs = performance.now();
        if (entries.length > 0) await this.take(entries);
      } catch (error) {
        observer.failed("dispatch", error);
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
  }

  /** Claims what these entries name and sets it on its way; resolves once it is claimed. */
  async take(entries: readonly DispatchEntry[]): Promise<void> {
    const { spool, dispatch, carrier, owner, leaseMs, now, observer } = this.#options;
    const tracked = new Map<DeliveryId, TrackedEntry>();
    const byEntry: TrackedEntry[] = [];
    for (const entry of entries) {
      const trackedEntry = { entry, open: 0 };
      byEntry.push(trackedEntry);
      // What is under way here already comes back by its own settlement.
      for (const id of entry.ids) if (!this.#ids.has(id)) tracked.set(id, trackedEntry);
    }
    const ids = [...tracked.keys()];
    const nowMs = now();
    for (const id of ids) this.#ids.add(id);
    let leased: readonly LeasedDelivery[];
    try {
      leased = await spool.claim(ids, { owner, nowMs, untilMs: nowMs + leaseMs });
    } catch (error) {
      this.#giveBack(ids, tracked);
      throw error;
    }
    observer.claimed({ claimMs: now() - nowMs, deliveries: leased.length });
    this.#underWay += leased.length;
    for (const { id } of leased) tracked.get(id)!.open++;
    const mine = new Set(leased.map(({ id }) => id));
    for (const id of ids) if (!mine.has(id)) this.#ids.delete(id);
    const done = byEntry.filter(({ open }) => open === 0).map(({ entry }) => entry);
    if (done.length > 0) {
      dispatch.acknowledge(done).catch((error) => observer.failed("acknowledge", error));
    }
    const lease = {
      leasedAtMs: nowMs,
      keyOf: (delivery: LeasedDelivery) => carrier.keyOf(delivery),
    };
    for (const batch of consign(leased, lease)) await this.#begin(batch, tracked);
  }

  /** A claim may have been granted though its answer was lost: such leases end once the store is back. */
  #giveBack(ids: readonly DeliveryId[], tracked: ReadonlyMap<DeliveryId, TrackedEntry>): void {
    const { settler, now, observer } = this.#options;
    const entries = ids.map((id) => tracked.get(id)!);
    for (const entry of entries) entry.open++;
    this.#underWay += ids.length;
    settler.settle({ settlements: this.#released(ids, now()), reports: [], entries })
      .catch((error) => observer.failed("release", error))
      .finally(() => {
        for (const id of ids) this.#ids.delete(id);
        this.#underWay -= ids.length;
        this.#notify();
      });
  }

  #released(ids: readonly DeliveryId[], nowMs: number): Settlement[] {
    const nextAttemptAtMs = nowMs + (this.#isDraining ? 0 : RELEASE_DELAY_MS);
    return ids.map((id) => ({ id, outcome: "released", nextAttemptAtMs }));
  }

  /**
   * Lets go of what has not begun; resolves once everything under way is settled, with what `running`,
   * the end of `run`, still took.
   */
  async drain(running: Promise<void>): Promise<void> {
    this.#isDraining = true;
    await running;
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
    for (const consignment of batch) {
      const { deliveries } = consignment;
      const octets = bodies === null ? "unread" : bodies.get(deliveries[0].message);
      this.#deliver({ ...consignment, octets }, tracked)
        .catch((error) => this.#options.observer.failed("delivery", error))
        .finally(() => {
          for (const { id } of deliveries) this.#ids.delete(id);
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

  async #deliver(
    consignment: UnreadConsignment & { readonly octets: Uint8Array | "unread" | undefined },
    tracked: ReadonlyMap<DeliveryId, TrackedEntry>,
  ): Promise<void> {
    const { settler, now } = this.#options;
    const { deliveries, octets } = consignment;
    const ids = deliveries.map(({ id }) => id);
    const startedAtMs = now();
    const result = await this.#carry(consignment);
    let settlements = result.outcomes.length === 0
      ? this.#released(ids, now())
      : this.#settlementsOf(deliveries, result, startedAtMs);
    const reports = octets === "unread"
      ? []
      : await this.#reportsOf(deliveries, settlements, octets);
    // No failure without its report: those recipients are asked again.
    if (reports === null) {
      const released = this.#released(ids, now());
      settlements = settlements.map((settlement, i) =>
        settlement.outcome === "failed" ? released[i] : settlement
      );
    }
    const entries = ids.map((id) => tracked.get(id)!);
    await settler.settle({ settlements, reports: reports ?? [], entries });
  }

  async #carry(
    { key, deliveries, octets, leasedAtMs }: UnreadConsignment & {
      readonly octets: Uint8Array | "unread" | undefined;
    },
  ): Promise<ConsignmentResult> {
    const { carrier, leaseMs, now, observer } = this.#options;
    if (octets === undefined) {
      // Cannot happen while the store is sound; the sender should hear of it all the same.
      const outcome = failed("3.0", "the message's body is lost");
      return { outcomes: deliveries.map(() => outcome), peer: null };
    }
    const beginBeforeMs = leasedAtMs + leaseMs * WAITING_PART;
    const held = this.#held.get(key) ?? 0;
    // The more is taken, the less a single next hop may take: there is always room for another one.
    const share = MAX_UNDER_WAY - this.#carried;
    if (
      octets === "unread" || this.#isDraining || held >= share || carrier.roomFor(key) <= 0 ||
      now() >= beginBeforeMs
    ) return { outcomes: [], peer: null };
    this.#held.set(key, held + deliveries.length);
    this.#carried += deliveries.length;
    try {
      const endBeforeMs = leasedAtMs + leaseMs * ATTEMPT_PART;
      return await carrier.carry(key, { deliveries, octets, beginBeforeMs, endBeforeMs });
    } catch (error) {
      observer.failed("attempt", error);
      const outcome = deferred("3.0", "trouble of this server's own");
      return { outcomes: deliveries.map(() => outcome), peer: null };
    } finally {
      this.#carried -= deliveries.length;
      const left = this.#held.get(key)! - deliveries.length;
      if (left > 0) this.#held.set(key, left);
      else this.#held.delete(key);
    }
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

  /** `null` when nobody could tell now where the sender's mailbox is, or which keys sign. */
  async #reportsOf(
    deliveries: readonly LeasedDelivery[],
    settlements: readonly Settlement[],
    octets: Uint8Array | undefined,
  ): Promise<readonly AcceptedMessage[] | null> {
    const { hostname, newQueueId, newBoundary, now, routeReport, signReport, observer } =
      this.#options;
    const failures = deliveries.map((delivery, i) => ({ delivery, settlement: settlements[i] }))
      .filter(({ settlement }) => settlement.outcome === "failed");
    if (failures.length === 0 || deliveries[0].reversePath === "") return [];
    let recipients: readonly RoutedRecipient[];
    try {
      recipients = await routeReport(deliveries[0].reversePath);
    } catch (error) {
      observer.failed("report", error);
      return null;
    }
    let report: AcceptedMessage | null;
    try {
      report = reportOf(failures, octets ?? new Uint8Array(), {
        hostname,
        id: newQueueId(),
        nowMs: now(),
        boundary: newBoundary(),
        recipients,
      });
    } catch (error) {
      // Nothing would come of asking again.
      observer.failed("report", error);
      return [];
    }
    if (report === null) return [];
    try {
      const signature = await signReport(report.octets);
      return [{ ...report, octets: Buffer.concat([Buffer.from(signature), report.octets]) }];
    } catch (error) {
      observer.failed("report", error);
      return null;
    }
  }
}
