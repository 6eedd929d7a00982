/**
 * How full a Maildir is, by its `maildirsize` file, which is made where it is missing and made anew before
 * anything is refused: a program that deletes mail without telling must not keep a mailbox full. All folders
 * count, Trash as well. A message on its way is in the sum before it is in the mailbox, so that of many at
 * once no more get there than fit, and none is counted twice; whoever only asks does not write the file, for
 * he does not know what is on its way. Two programs that make the file at once may miss each other's last
 * message, until the next one to do so.
 */
import {
  formatChange,
  formatSizeFile,
  MAX_SIZE_FILE_OCTETS,
  parseSizeFile,
  sizeInName,
} from "./maildir_size.ts";

/** So often a full mailbox is counted anew, but for mail that would be returned. */
const RECOUNT_MS = 5_000;
const MAX_REMEMBERED = 10_000;
const FILE_MODE = 0o600;

export interface MaildirQuotaOptions {
  /** Unix ms. */
  readonly now: () => number;
  /** Letters and digits, never the same twice. */
  readonly nonce: () => string;
}

export interface NeededRoom {
  /** What the message's file will be called. */
  readonly name: string;
  readonly quotaOctets: number;
  readonly sizeOctets: number;
  /** Without room the message is lost to the mailbox. */
  readonly isFinal: boolean;
}

/** Room taken in a mailbox for a message on its way there. */
export interface RoomClaim {
  /** The message is in the mailbox; to be said as soon as it is, before anybody can count again. */
  settle(): void;
  /** The message did not get there. */
  release(): Promise<void>;
}

interface LastCount {
  readonly atMs: number;
  /** What `maildirsize` said beyond what was there; `null` without the file. */
  readonly surplusOctets: number | null;
}

export class NodeMaildirQuota {
  readonly #options: MaildirQuotaOptions;
  readonly #lastCounts = new Map<string, LastCount>();
  /** The last claim on a mailbox, while it is decided. */
  readonly #deciding = new Map<string, Promise<void>>();
  /** Octets of messages on their way, by mailbox and name. */
  readonly #claimed = new Map<string, Map<string, number>>();

  constructor(options: MaildirQuotaOptions) {
    this.#options = options;
  }

  /**
   * Whether so many octets more fit. A mailbox that was not made yet is empty.
   * @param mailbox the Maildir's path.
   */
  async hasRoom(mailbox: string, quotaOctets: number, sizeOctets: number): Promise<boolean> {
    const known = await readSizeFile(mailbox, quotaOctets);
    if (known !== null && known + sizeOctets <= quotaOctets) return true;
    const surplusOctets = this.#recentCount(mailbox)?.surplusOctets ?? null;
    const octets = known !== null && surplusOctets !== null
      ? known - surplusOctets
      : (await this.#count(mailbox, known)).octets;
    return octets + sizeOctets <= quotaOctets;
  }

  /** Takes room for a message; `null` when it does not fit. */
  claim(mailbox: string, needed: NeededRoom): Promise<RoomClaim | null> {
    const before = this.#deciding.get(mailbox) ?? Promise.resolve();
    const decided = before.then(() => this.#claim(mailbox, needed));
    const ended = decided.then(() => {}, () => {}).finally(() => {
      if (this.#deciding.get(mailbox) === ended) this.#deciding.delete(mailbox);
    });
    this.#deciding.set(mailbox, ended);
    return decided;
  }

  async #claim(mailbox: string, needed: NeededRoom): Promise<RoomClaim | null> {
    const { name, quotaOctets, sizeOctets, isFinal } = needed;
    const known = await readSizeFile(mailbox, quotaOctets);
    if (known === null || known + sizeOctets > quotaOctets) {
      const isFresh = known !== null && this.#recentCount(mailbox) !== null;
      if (isFresh && !isFinal) return null;
      const counted = await this.#count(mailbox, known);
      await this.#writeSizeFile(mailbox, formatSizeFile(quotaOctets, counted));
      if (counted.octets + sizeOctets > quotaOctets) return null;
    }
    const claimed = this.#claimed.get(mailbox) ?? new Map<string, number>();
    this.#claimed.set(mailbox, claimed.set(name, sizeOctets));
    await addChange(mailbox, { octets: sizeOctets, messages: 1 });
    const settle = () => {
      claimed.delete(name);
      if (claimed.size === 0 && this.#claimed.get(mailbox) === claimed) {
        this.#claimed.delete(mailbox);
      }
    };
    return {
      settle,
      release: () => {
        settle();
        return addChange(mailbox, { octets: -sizeOctets, messages: -1 });
      },
    };
  }

  async #writeSizeFile(mailbox: string, text: string): Promise<void> {
    const temporary = `${mailbox}/tmp/maildirsize.${this.#options.nonce()}`;
    try {
      await Deno.writeTextFile(temporary, text, { createNew: true, mode: FILE_MODE });
      await Deno.rename(temporary, `${mailbox}/maildirsize`);
    } catch (error) {
      // A mailbox that is not there yet needs none.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #recentCount(mailbox: string): LastCount | null {
    const last = this.#lastCounts.get(mailbox);
    return last !== undefined && this.#options.now() - last.atMs < RECOUNT_MS ? last : null;
  }

  async #count(
    mailbox: string,
    known: number | null,
  ): Promise<{ octets: number; messages: number }> {
    const atMs = this.#options.now();
    const counted = await count(mailbox, new Map(this.#claimed.get(mailbox) ?? []));
    const surplusOctets = known === null ? null : known - counted.octets;
    this.#lastCounts.delete(mailbox);
    this.#lastCounts.set(mailbox, { atMs, surplusOctets });
    if (this.#lastCounts.size > MAX_REMEMBERED) {
      const [oldest] = this.#lastCounts.keys();
      this.#lastCounts.delete(oldest);
    }
    return counted;
  }
}

/** Whatever keeps it from being written, the sum is mended by whoever finds it wrong. */
async function addChange(
  mailbox: string,
  change: { readonly octets: number; readonly messages: number },
): Promise<void> {
  try {
    using file = await Deno.open(`${mailbox}/maildirsize`, { append: true });
    await file.write(new TextEncoder().encode(formatChange(change)));
  } catch {
    // Where the file is missing, whoever asks next for room makes it.
  }
}

async function readSizeFile(mailbox: string, quotaOctets: number): Promise<number | null> {
  try {
    using file = await Deno.open(`${mailbox}/maildirsize`);
    const octets = new Uint8Array(MAX_SIZE_FILE_OCTETS + 1);
    let length = 0;
    while (length < octets.length) {
      const read = await file.read(octets.subarray(length));
      if (read === null) break;
      length += read;
    }
    return parseSizeFile(new TextDecoder().decode(octets.subarray(0, length)), quotaOctets);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Sums up `new` and `cur` of the mailbox and of its sub-folders, whose names begin with a dot.
 * @param claimed octets by name of what counts whether it is seen there or not.
 */
async function count(
  mailbox: string,
  claimed: ReadonlyMap<string, number>,
): Promise<{ octets: number; messages: number }> {
  const folders = [mailbox];
  for await (const { name, isDirectory } of entries(mailbox)) {
    if (isDirectory && name.startsWith(".")) folders.push(`${mailbox}/${name}`);
  }
  let octets = 0;
  for (const sizeOctets of claimed.values()) octets += sizeOctets;
  let messages = claimed.size;
  for (const folder of folders) {
    for (const part of ["new", "cur"]) {
      for await (const { name, isFile } of entries(`${folder}/${part}`)) {
        if (!isFile || claimed.has(name.replace(/:.*$/, ""))) continue;
        octets += sizeInName(name) ?? await sizeOf(`${folder}/${part}/${name}`);
        messages++;
      }
    }
  }
  return { octets, messages };
}

async function* entries(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Gone since it was listed counts nothing. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
