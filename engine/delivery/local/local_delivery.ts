/** Final delivery into a mailbox of ours: the interface delivery workers use. */
import type { DeliveryId } from "../../mail/queue_id.ts";
import type { MailboxSettings } from "../../store/directory.ts";
import type { MailFolder } from "./mail_folder.ts";

export interface LocalRequest {
  /** Names the copy, so that a repeated attempt leaves one copy only. */
  readonly id: DeliveryId;
  readonly domain: string;
  /** The directory's name of the mailbox: any text. */
  readonly user: string;
  readonly settings: MailboxSettings;
  /** Where mailboxes have folders. */
  readonly folder: MailFolder;
  /** Mailbox without angle brackets; empty for the null reverse-path. */
  readonly reversePath: string;
  /** Mailbox without angle brackets, as the message was addressed. */
  readonly forwardPath: string;
  readonly queuedAtMs: number;
  /** The message; must not change until the answer. */
  readonly octets: Uint8Array;
  /**
   * An earlier attempt at this delivery may have reached the mailbox unrecorded, and its copy may have
   * been read since: then the whole mailbox is searched for it, which takes time in proportion to it.
   * False only for whoever knows better: no attempt finished, and the delivery younger than a lease.
   */
  readonly mayBeRepeated: boolean;
}

export type LocalOutcome =
  /** The copy survives a crash. `repeated`: an earlier attempt had put it there. */
  | { readonly kind: "delivered"; readonly repeated: boolean }
  | { readonly kind: "deferred"; readonly enhancedStatus: string; readonly reason: string }
  | { readonly kind: "failed"; readonly enhancedStatus: string; readonly reason: string };

export interface LocalDelivery {
  /** Never rejects over trouble with the store itself; that is the outcome `deferred`. */
  deliver(request: LocalRequest): Promise<LocalOutcome>;
}
