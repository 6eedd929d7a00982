/**
 * How full a Maildir is, by its `maildirsize` file, which is made where it is missing and made anew before
 * anything is refused: a program that deletes mail without telling must not keep a mailbox full. All folders
 * count, Trash as well. Two programs that make the file at once may miss each other's last message, until
 * the next one to do so.
 */
import {
  formatChange,
  formatSizeFile,
  MAX_SIZE_FILE_OCTETS,
  parseSizeFile,
  sizeInName,
} from "./maildir_size.ts";

/** So often a full mailbox is counted anew. */
const RECOUNT_MS = 5_000;
const MAX_REMEMBERED = 10_000;
const FILE_MODE = 0o600;

export interface MaildirQuotaOptions {
  /** Unix ms. */
  readonly now: () => number;
  /** Letters and digits, never the same twice. */
  readonly nonce: () => string;
}

export class NodeMaildirQuota {
  readonly #options: MaildirQuotaOptions;
  /** When a mailbox was counted last. */
  readonly #countedMs = new Map<string, number>();

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
    const nowMs = this.#options.now();
    const isFresh = nowMs - (this.#countedMs.get(mailbox) ?? -Infinity) < RECOUNT_MS;
    if (known !== null && isFresh) return false;
    const counted = await count(mailbox);
    this.#remember(mailbox, nowMs);
    await this.#writeSizeFile(mailbox, formatSizeFile(quotaOctets, counted));
    return counted.octets + sizeOctets <= quotaOctets;
  }

  /** Adds a message that was delivered. */
  async added(mailbox: string, octets: number): Promise<void> {
    try {
      using file = await Deno.open(`${mailbox}/maildirsize`, { append: true });
      await file.write(new TextEncoder().encode(formatChange({ octets, messages: 1 })));
    } catch (error) {
      // Whoever asks next for room makes it.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
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

  #remember(mailbox: string, nowMs: number): void {
    this.#countedMs.delete(mailbox);
    this.#countedMs.set(mailbox, nowMs);
    if (this.#countedMs.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#countedMs.keys();
    this.#countedMs.delete(oldest);
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

/** Sums up `new` and `cur` of the mailbox and of its sub-folders, whose names begin with a dot. */
async function count(mailbox: string): Promise<{ octets: number; messages: number }> {
  const folders = [mailbox];
  for await (const { name, isDirectory } of entries(mailbox)) {
    if (isDirectory && name.startsWith(".")) folders.push(`${mailbox}/${name}`);
  }
  let octets = 0;
  let messages = 0;
  for (const folder of folders) {
    for (const part of ["new", "cur"]) {
      for await (const { name, isFile } of entries(`${folder}/${part}`)) {
        if (!isFile) continue;
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
