/** Whether mailboxes have room, for whoever must know before the message is there: RCPT. */
import { encodeSegment } from "./maildir_name.ts";
import { NodeMaildirQuota } from "./node_maildir_quota.ts";

/** So long a mailbox is known to be full: who insists does not make the disk busy. */
const REMEMBERED_MS = 2_000;
const MAX_REMEMBERED = 1_000;

export class NodeMailboxRoom {
  readonly #root: string;
  readonly #now: () => number;
  readonly #quota: NodeMaildirQuota;
  /** Until when, by mailbox and what was asked. */
  readonly #full = new Map<string, number>();

  /** @param options `root`: where Maildirs are; `now`: Unix ms; `nonce`: never the same twice. */
  constructor(
    options: { readonly root: string; readonly now: () => number; readonly nonce: () => string },
  ) {
    this.#root = options.root;
    this.#now = options.now;
    this.#quota = new NodeMaildirQuota(options);
  }

  /** @throws {Error} when the file system does not tell. */
  async hasRoom(
    mailbox: { readonly domain: string; readonly user: string },
    quotaOctets: number,
    sizeOctets: number,
  ): Promise<boolean> {
    const domain = encodeSegment(mailbox.domain);
    const user = encodeSegment(mailbox.user);
    if (domain === null || user === null) return true;
    const key = `${domain}/${user} ${quotaOctets} ${sizeOctets}`;
    if ((this.#full.get(key) ?? 0) > this.#now()) return false;
    const path = `${this.#root}/${domain}/${user}`;
    const hasRoom = await this.#quota.hasRoom(path, quotaOctets, sizeOctets);
    if (hasRoom) return true;
    if (this.#full.size >= MAX_REMEMBERED) this.#full.clear();
    this.#full.set(key, this.#now() + REMEMBERED_MS);
    return false;
  }
}
