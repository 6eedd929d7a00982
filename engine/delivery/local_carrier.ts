/**
 * Takes consignments to mailboxes of ours, each the way its domain wants: into a Maildir, to an LMTP server,
 * or to a webhook. Where a mailbox is stands in the directory at that moment, so that mail that waited goes
 * the way that was mended meanwhile.
 */
import { formatMailbox, parseMailbox } from "../mail/path.ts";
import type { MailboxSettings } from "../store/directory.ts";
import type { LeasedDelivery } from "../store/spool.ts";
import type { Consignment } from "./consignment.ts";
import type { ConsignmentResult } from "./courier.ts";
import type { SubmittedResult } from "./destination.ts";
import type { LocalDelivery, LocalOutcome, LocalRequest } from "./local/local_delivery.ts";
import { mailFolderOf } from "./local/mail_folder.ts";
import { WebhookGate } from "./local/webhook_gate.ts";
import type { Peer } from "./next_hop.ts";
import { type AttemptOutcome, deferred, failed } from "./outcome.ts";

export interface FoundMailbox {
  readonly domain: string;
  readonly user: string;
  readonly settings: MailboxSettings;
}

export interface LocalCarrierOptions {
  readonly maildir: LocalDelivery;
  readonly webhook: LocalDelivery;
  /** `null`: nobody has it any more. Rejects when the directory does not answer. */
  readonly find: (forwardPath: string) => Promise<FoundMailbox | null>;
  /** One LMTP transaction; no outcomes when it was not begun. */
  readonly submitLmtp: (
    address: string,
    consignment: Consignment,
    forwardPaths: readonly string[],
  ) => Promise<SubmittedResult>;
}

/** Deliveries under way at once to the mailboxes of one domain: a slow one keeps no other waiting. */
const MAX_PER_DOMAIN = 500;

/** A delivery and the mailbox it is for, or why there is none. */
interface Addressed {
  readonly delivery: LeasedDelivery;
  readonly mailbox: FoundMailbox | AttemptOutcome;
}

export class LocalCarrier {
  readonly #options: LocalCarrierOptions;
  readonly #underWay = new Map<string, number>();
  readonly #webhooks = new WebhookGate();

  constructor(options: LocalCarrierOptions) {
    this.#options = options;
  }

  roomFor(domain: string): number {
    return MAX_PER_DOMAIN - (this.#underWay.get(domain) ?? 0);
  }

  async carry(domain: string, consignment: Consignment): Promise<ConsignmentResult> {
    const { length } = consignment.deliveries;
    this.#underWay.set(domain, (this.#underWay.get(domain) ?? 0) + length);
    try {
      return await this.#carry(consignment);
    } finally {
      const left = this.#underWay.get(domain)! - length;
      if (left > 0) this.#underWay.set(domain, left);
      else this.#underWay.delete(domain);
    }
  }

  /** Gives back what waits for its turn at a webhook. */
  withdraw(): void {
    this.#webhooks.withdraw();
  }

  /** Call about once a second. */
  tick(nowMs: number): void {
    this.#webhooks.tick(nowMs);
  }

  async #carry(consignment: Consignment): Promise<ConsignmentResult> {
    const addressed = await Promise.all(
      consignment.deliveries.map((delivery) => this.#address(delivery)),
    );
    const outcomes = new Map<LeasedDelivery, AttemptOutcome>();
    const byLmtp = new Map<string, { delivery: LeasedDelivery; mailbox: FoundMailbox }[]>();
    const deliver = async ({ delivery, mailbox }: Addressed) => {
      if (!("settings" in mailbox)) outcomes.set(delivery, mailbox);
      else if (mailbox.settings.transport.kind !== "lmtp") {
        const outcome = await this.#deliver(delivery, mailbox, consignment);
        if (outcome !== null) outcomes.set(delivery, outcome);
      } else {
        const { address } = mailbox.settings.transport;
        byLmtp.set(address, [...byLmtp.get(address) ?? [], { delivery, mailbox }]);
      }
    };
    await Promise.all(addressed.map(deliver));
    let peer: Peer | null = null;
    for (const [address, group] of byLmtp) {
      const deliveries = group.map(({ delivery }) => delivery);
      const result = await this.#options.submitLmtp(
        address,
        { ...consignment, deliveries },
        group.map(recipientOf),
      );
      peer = result.peer;
      result.outcomes.forEach((outcome, index) => outcomes.set(deliveries[index], outcome));
    }
    // None begun: back to where they wait, as if they had not been taken.
    if (outcomes.size === 0) return { outcomes: [], peer };
    const late = deferred("4.5", "its turn did not come in time");
    return { outcomes: consignment.deliveries.map((each) => outcomes.get(each) ?? late), peer };
  }

  async #address(delivery: LeasedDelivery): Promise<Addressed> {
    try {
      const mailbox = await this.#options.find(delivery.forwardPath);
      return {
        delivery,
        mailbox: mailbox ?? failed("1.1", "there is no such mailbox any more"),
      };
    } catch {
      return { delivery, mailbox: deferred("3.0", "the directory is unavailable") };
    }
  }

  /** `null` when its turn did not come. */
  async #deliver(
    delivery: LeasedDelivery,
    mailbox: FoundMailbox,
    consignment: Consignment,
  ): Promise<AttemptOutcome | null> {
    const { maildir, webhook } = this.#options;
    const { octets, beginBeforeMs } = consignment;
    const request = requestOf(delivery, mailbox, octets);
    if (mailbox.settings.transport.kind === "maildir") {
      return attemptOutcome(await maildir.deliver(request), "in the mailbox");
    }
    const load = { domain: mailbox.domain, octets: octets.length, beginBeforeMs };
    if (!await this.#webhooks.enter(load)) return null;
    try {
      return attemptOutcome(await webhook.deliver(request), "taken by the webhook");
    } finally {
      this.#webhooks.leave(load);
    }
  }
}

function requestOf(
  delivery: LeasedDelivery,
  { domain, user, settings }: FoundMailbox,
  octets: Uint8Array,
): LocalRequest {
  return {
    id: delivery.id,
    domain,
    user,
    settings,
    folder: mailFolderOf(octets),
    reversePath: delivery.reversePath,
    forwardPath: delivery.forwardPath,
    queuedAtMs: delivery.queuedAtMs,
    octets,
    mayBeRepeated: delivery.attempts > 0 || delivery.wasLeased,
  };
}

/** As the client wrote it where it names the mailbox, for the detail behind its `+`; else by its own name. */
function recipientOf(
  { delivery, mailbox }: { readonly delivery: LeasedDelivery; readonly mailbox: FoundMailbox },
): string {
  const { domain, user } = mailbox;
  const named = parseMailbox(delivery.forwardPath);
  const key = typeof named === "string" ? "" : named.localPart.normalize("NFC").toLowerCase();
  const isNamed = key === user || key.startsWith(`${user}+`);
  return isNamed ? delivery.forwardPath : formatMailbox(user, domain);
}

function attemptOutcome(outcome: LocalOutcome, delivered: string): AttemptOutcome {
  if (outcome.kind === "delivered") {
    return { kind: "delivered", enhancedStatus: "2.0.0", diagnostic: delivered };
  }
  const { kind, enhancedStatus, reason: diagnostic } = outcome;
  return { kind, enhancedStatus, diagnostic };
}
