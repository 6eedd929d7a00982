/** Whether mailboxes have room, for whoever must know before the message is there: RCPT. */
import { encodeSegment } from "./maildir_name.ts";
import { NodeMaildirQuota } from "./node_maildir_quota.ts";

/** An answer holds so long: a busy sender does not make the disk busy. */
const REMEMBERED_MS = 2_000;
const MAX_REMEMBERED = 1_000;

export class NodeMailboxRoom {
  readonly #root: string;
  readonly #now: () => number;
  readonly #quota: NodeMaildirQuota;
  readonly #answers = new Map<string, { readonly untilMs: number; readonly hasRoom: boolean }>();

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
    const known = this.#answers.get(key);
    if (known !== undefined && known.untilMs > this.#now()) return known.hasRoom;
    const path = `${this.#root}/${domain}/${user}`;
    const hasRoom = await this.#quota.hasRoom(path, quotaOctets, sizeOctets);
    if (this.#answers.size >= MAX_REMEMBERED) this.#answers.clear();
    this.#answers.set(key, { untilMs: this.#now() + REMEMBERED_MS, hasRoom });
    return hasRoom;
  }
}
