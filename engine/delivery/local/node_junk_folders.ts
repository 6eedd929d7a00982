/**
 * Junk folders of Maildirs, as users fill and empty them (Maildir++): which have changed since they were last looked
 * at, what is in them, and where a message went that is no longer there. Folders are looked at by their modification
 * times, a bounded number at a time. What was seen is kept in a file in the Junk folder.
 *
 * A message that is moved keeps its name, or gets a new one with the time of the move in front and its size in it, as
 * Dovecot does where the name is taken. What lies in another folder under such a name may be the one that has gone.
 */
import type { JunkFolders, JunkMailbox, JunkMessage, SeenInJunk } from "../../spam/junk_watch.ts";
import { folderSegment } from "./folder_name.ts";
import {
  formatJunkRecord,
  type JunkRecord,
  MAX_RECORD_OCTETS,
  parseJunkRecord,
  type SeenJunk,
} from "./junk_record.ts";
import { mailFolderOf } from "./mail_folder.ts";
import { decodeSegment } from "./maildir_name.ts";
import { sizeInName } from "./maildir_size.ts";

export interface NodeJunkFoldersOptions {
  /** Where Maildirs are. */
  readonly root: string;
  readonly junkFolder: string;
  /** Unix ms. */
  readonly now: () => number;
  readonly nonce: () => string;
  /** How much of a message is read. */
  readonly maxOctets: number;
  /** A mailbox that cannot be looked into; the others are. */
  readonly onError: (error: unknown) => void;
}

const RECORD = "sluice-junk";
const FILE_MODE = 0o600;
const MAX_MAILBOXES = 200_000;
/** Folders whose times are looked at in one go. */
const MAX_LOOKS = 20_000;
/** The latest of a Junk folder. */
const MAX_NAMES = 10_000;
const MAX_CANDIDATES = 500;
/** A folder may change again at the same time of its clock. */
const CLOCK_MS = 2_000;
/** The times in names are the clock's of whoever moved the message. */
const SKEW_S = 5;
/** Where mail goes to be deleted, in the names of common programs. */
const TRASH = /^\.(trash|bin|deleted|deleted messages|deleted items)(\.|$)/i;
/** What `copyName` makes. */
const OUR_COPY = /^\d+\.[0-9A-Z]+_\d+\.sluice,S=\d+$/;

export class NodeJunkFolders implements JunkFolders {
  readonly #options: NodeJunkFoldersOptions;
  /** Times of Junk folders when all in them was seen, by the mailbox's path below the root. */
  readonly #seen = new Map<string, string>();
  /** Where the last look ended. */
  #cursor = "";

  constructor(options: NodeJunkFoldersOptions) {
    this.#options = options;
  }

  async *changed(signal: AbortSignal): AsyncGenerator<JunkMailbox> {
    const paths = await this.#mailboxes();
    const first = paths.findIndex((path) => path > this.#cursor);
    const inTurn = first < 0 ? paths : [...paths.slice(first), ...paths.slice(0, first)];
    for (const path of inTurn.slice(0, MAX_LOOKS)) {
      if (signal.aborted) return;
      // Whoever ends the walk here begins with the next mailbox: one with much to do keeps no other waiting.
      this.#cursor = path;
      let mailbox: JunkMailbox | null = null;
      try {
        mailbox = await this.#look(path);
      } catch (error) {
        this.#options.onError(error);
      }
      if (mailbox !== null) yield mailbox;
    }
  }

  /** `null` when it has no Junk folder, or all in it was seen. */
  async #look(path: string): Promise<JunkMailbox | null> {
    const { root, junkFolder, now } = this.#options;
    const segment = folderSegment(junkFolder);
    const junk = `${root}/${path}/${segment}`;
    const lookedAtMs = now();
    const times = await timesOf(junk);
    if (times === null || times.text === this.#seen.get(path)) return null;
    return new NodeJunkMailbox({
      ...this.#options,
      mailbox: `${root}/${path}`,
      segment,
      domain: decodeSegment(path.slice(0, path.indexOf("/")))!,
      lookedAtMs,
      record: await readRecord(`${junk}/${RECORD}`),
      names: await namesIn(junk),
      onSeen: () => {
        if (times.latestMs >= lookedAtMs - CLOCK_MS) return;
        if (this.#seen.size >= MAX_MAILBOXES) this.#seen.clear();
        this.#seen.set(path, times.text);
      },
    });
  }

  /** `<domain>/<user>` of every mailbox, in order. */
  async #mailboxes(): Promise<readonly string[]> {
    const { root } = this.#options;
    const paths: string[] = [];
    for await (const domain of folders(root)) {
      if (decodeSegment(domain) === null) continue;
      for await (const user of folders(`${root}/${domain}`)) {
        if (decodeSegment(user) !== null) paths.push(`${domain}/${user}`);
        if (paths.length >= MAX_MAILBOXES) return paths.sort();
      }
    }
    return paths.sort();
  }
}

interface NodeJunkMailboxOptions extends NodeJunkFoldersOptions {
  readonly mailbox: string;
  /** The Junk folder's, in the mailbox. */
  readonly segment: string;
  readonly domain: string;
  readonly lookedAtMs: number;
  readonly record: JunkRecord | null;
  /** Where each is, by its name without flags. */
  readonly names: ReadonlyMap<string, string>;
  readonly onSeen: () => void;
}

class NodeJunkMailbox implements JunkMailbox {
  readonly domain: string;
  readonly known: readonly SeenJunk[];
  readonly movedOut: readonly string[];
  readonly names: readonly string[];
  readonly #options: NodeJunkMailboxOptions;

  constructor(options: NodeJunkMailboxOptions) {
    this.#options = options;
    this.domain = options.domain;
    this.known = options.record?.seen ?? [];
    this.movedOut = options.record?.movedOut ?? [];
    this.names = [...options.names.keys()];
  }

  async read(name: string): Promise<JunkMessage | null> {
    const path = this.#options.names.get(name);
    if (path === undefined) return null;
    const message = await readMessage(path, this.#options.maxOctets);
    if (message === null) return null;
    const wasFiled = OUR_COPY.test(name) && mailFolderOf(message.octets) === "junk";
    return { ...message, wasFiled };
  }

  async *elsewhere(gone: readonly SeenJunk[]): AsyncGenerator<Pick<JunkMessage, "octets">> {
    const { mailbox, segment, record, maxOctets } = this.#options;
    const sinceMs = record?.lookedAtMs ?? Infinity;
    const sinceS = Math.floor(sinceMs / 1000) - SKEW_S;
    const names = new Set(gone.map(({ name }) => name));
    const sizes = new Set(gone.map(({ sizeOctets }) => sizeOctets));
    const isCandidate = (name: string) =>
      names.has(withoutFlags(name)) ||
      (sizes.has(sizeInName(name) ?? -1) && secondsIn(name) >= sinceS);
    let left = MAX_CANDIDATES;
    for (const folder of await otherFolders(mailbox, segment)) {
      const times = await timesOf(folder);
      if (times === null || times.latestMs < sinceMs - CLOCK_MS) continue;
      for await (const { name, path } of filesIn(folder)) {
        if (!isCandidate(name)) continue;
        if (left-- <= 0) return;
        const message = await readMessage(path, maxOctets);
        if (message !== null) yield message;
      }
    }
  }

  async remember({ known, movedOut, isAll }: SeenInJunk): Promise<void> {
    const { mailbox, segment, nonce, lookedAtMs, onSeen } = this.#options;
    const junk = `${mailbox}/${segment}`;
    const temporary = `${junk}/tmp/${RECORD}.${nonce()}`;
    try {
      const text = formatJunkRecord({ lookedAtMs, seen: known, movedOut });
      await Deno.writeTextFile(temporary, text, { createNew: true, mode: FILE_MODE });
      await Deno.rename(temporary, `${junk}/${RECORD}`);
    } catch (error) {
      // The user has removed the folder.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    if (isAll) onSeen();
  }
}

/** Path by name without flags, of the latest ones. */
async function namesIn(folder: string): Promise<ReadonlyMap<string, string>> {
  const found: { readonly name: string; readonly path: string }[] = [];
  for await (const { name, path } of filesIn(folder)) {
    found.push({ name: withoutFlags(name), path });
    if (found.length >= 2 * MAX_NAMES) keepLatest(found);
  }
  keepLatest(found);
  return new Map(found.map(({ name, path }) => [name, path]));
}

function keepLatest(found: { readonly name: string }[]): void {
  if (found.length <= MAX_NAMES) return;
  found.sort((a, b) => secondsIn(b.name) - secondsIn(a.name));
  found.length = MAX_NAMES;
}

function withoutFlags(name: string): string {
  const colon = name.indexOf(":");
  return colon < 0 ? name : name.slice(0, colon);
}

/** When a name was made, by Maildir's custom; 0 when it does not tell. */
function secondsIn(name: string): number {
  return Number(/^\d{1,11}/.exec(name)?.[0] ?? 0);
}

/** The mailbox itself and its folders, but Junk, Trash and what is below them. */
async function otherFolders(mailbox: string, junk: string): Promise<readonly string[]> {
  const others = [mailbox];
  for await (const name of folders(mailbox)) {
    const isJunk = name === junk || name.startsWith(`${junk}.`);
    if (name.startsWith(".") && !isJunk && !TRASH.test(name)) others.push(`${mailbox}/${name}`);
  }
  return others;
}

async function* filesIn(
  folder: string,
): AsyncGenerator<{ readonly name: string; readonly path: string }> {
  for (const part of ["new", "cur"]) {
    for await (const { name, isFile } of entries(`${folder}/${part}`)) {
      if (isFile && !name.startsWith(".")) yield { name, path: `${folder}/${part}/${name}` };
    }
  }
}

async function* folders(path: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of entries(path)) if (isDirectory) yield name;
}

async function* entries(path: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** When its messages last came or went; `null` when there is no such folder. */
async function timesOf(
  folder: string,
): Promise<{ readonly text: string; readonly latestMs: number } | null> {
  try {
    const times = [];
    for (const part of ["new", "cur"]) {
      times.push((await Deno.stat(`${folder}/${part}`)).mtime?.getTime() ?? 0);
    }
    return { text: times.join(" "), latestMs: Math.max(...times) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function readRecord(path: string): Promise<JunkRecord | null> {
  const file = await readMessage(path, MAX_RECORD_OCTETS);
  return file === null ? null : parseJunkRecord(new TextDecoder().decode(file.octets));
}

/** The beginning of a file; `null` when it is gone. */
async function readMessage(
  path: string,
  maxOctets: number,
): Promise<{ readonly octets: Uint8Array; readonly sizeOctets: number } | null> {
  try {
    using file = await Deno.open(path);
    const { size } = await file.stat();
    const octets = new Uint8Array(Math.min(size, maxOctets));
    let length = 0;
    while (length < octets.length) {
      const read = await file.read(octets.subarray(length));
      if (read === null) break;
      length += read;
    }
    return {
      octets: octets.subarray(0, length),
      sizeOctets: sizeInName(path.slice(path.lastIndexOf("/") + 1)) ?? size,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
