/**
 * Final delivery into Maildirs below one folder: `<root>/<domain>/<user>/{tmp,new,cur}`, and for junk
 * the same once more in a sub-folder (Maildir++). Decides the order of writes and syncs by which a copy is
 * either wholly there or not at all; a copy's name comes from its delivery, so a repeated attempt
 * replaces what the first one left.
 *
 * Small copies are written synchronously, into the page cache in microseconds; what waits for the
 * disk is asynchronous, and deliveries into one mailbox share the sync of its folder.
 */
import { Buffer } from "node:buffer";
import { returnPathField } from "../../mail/received.ts";
import { folderSegment, modifiedUtf7 } from "./folder_name.ts";
import type { LocalDelivery, LocalOutcome, LocalRequest } from "./local_delivery.ts";
import { copyName, encodeSegment } from "./maildir_name.ts";
import { NodeMaildirQuota, type RoomClaim } from "./node_maildir_quota.ts";

/** Up to this a write costs less than handing it to another thread. */
const SYNCHRONOUS_OCTETS = 131_072;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Room in a mailbox that has no quota. */
const UNLIMITED: RoomClaim = { settle: () => {}, release: () => Promise.resolve() };

export interface NodeMaildirOptions {
  readonly root: string;
  /** Letters and digits, different for each attempt on every node. */
  readonly nonce: () => string;
  /** Unix ms. */
  readonly now: () => number;
  /** What junk's folder is called, without `/` and `.`. Without one it goes to the inbox. */
  readonly junkFolder?: string;
}

export class NodeMaildir implements LocalDelivery {
  readonly #root: string;
  readonly #nonce: () => string;
  readonly #junkFolder: string;
  readonly #folders = new FolderSync();
  readonly #quota: NodeMaildirQuota;
  /** Mailboxes and sub-folders being made, until what names them is synced. */
  readonly #making = new Map<string, Promise<void>>();

  constructor(options: NodeMaildirOptions) {
    this.#root = options.root;
    this.#nonce = options.nonce;
    this.#junkFolder = options.junkFolder ?? "";
    this.#quota = new NodeMaildirQuota(options);
  }

  async deliver(request: LocalRequest): Promise<LocalOutcome> {
    const domain = encodeSegment(request.domain);
    const user = encodeSegment(request.user);
    if (domain === null || user === null) {
      return { kind: "failed", enhancedStatus: "5.1.3", reason: "mailbox name too long" };
    }
    const mailbox = `${this.#root}/${domain}/${user}`;
    try {
      return await this.#deliverTo(mailbox, request);
    } catch (error) {
      return deferredBy(error);
    }
  }

  async #deliverTo(mailbox: string, request: LocalRequest): Promise<LocalOutcome> {
    const trace = Buffer.from(
      returnPathField(request.reversePath) + deliveredToField(request.forwardPath),
    );
    const sizeOctets = trace.length + request.octets.length;
    const name = copyName(request.id, { queuedAtMs: request.queuedAtMs, sizeOctets });
    const junk = this.#junkFolder === ""
      ? mailbox
      : `${mailbox}/${folderSegment(this.#junkFolder)}`;
    if (request.mayBeRepeated) {
      for (const folder of new Set([mailbox, junk])) {
        if (!await hasCopy(folder, name)) continue;
        // The earlier attempt may have ended between its rename and its sync.
        await this.#folders.sync(`${folder}/new`);
        return { kind: "delivered", repeated: true };
      }
    }
    const { quotaOctets, whenFull } = request.settings;
    const claim = quotaOctets === null ? UNLIMITED : await this.#quota.claim(mailbox, {
      name,
      quotaOctets,
      sizeOctets,
      isFinal: whenFull === "refuse",
    });
    if (claim === null) {
      // RFC 3463 §3.3
      return whenFull === "defer"
        ? { kind: "deferred", enhancedStatus: "4.2.2", reason: "mailbox full" }
        : { kind: "failed", enhancedStatus: "5.2.2", reason: "mailbox full" };
    }
    const folder = request.folder === "junk" ? junk : mailbox;
    try {
      await this.#write({ mailbox, folder }, name, [trace, request.octets]);
    } catch (error) {
      await claim.release();
      throw error;
    }
    claim.settle();
    await this.#folders.sync(`${folder}/new`);
    return { kind: "delivered", repeated: false };
  }

  /** Writes a copy aside, and moves it into the folder as its last step. */
  async #write(place: Place, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const { folder } = place;
    const sizeOctets = pieces.reduce((sum, { length }) => sum + length, 0);
    // The nonce keeps two attempts at once, should a lease run out, from writing into one file.
    const tmp = `${folder}/tmp/${name}.${this.#nonce()}`;
    using file = await this.#inFolder(
      place,
      () => Deno.openSync(tmp, { write: true, createNew: true, mode: FILE_MODE }),
    );
    try {
      for (const piece of pieces) {
        if (sizeOctets <= SYNCHRONOUS_OCTETS) writeAllSync(file, piece);
        else await writeAll(file, piece);
      }
      await file.syncData();
      await this.#inFolder(place, () => Deno.renameSync(tmp, `${folder}/new/${name}`));
    } catch (error) {
      removeQuietly(tmp);
      throw error;
    }
  }

  /** Acts in a folder, which is made, or mended, when a part of it is missing. */
  async #inFolder<Result>(place: Place, act: () => Result): Promise<Result> {
    const making = this.#making.get(place.folder);
    if (making !== undefined) await making;
    try {
      return act();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.#makeOnce(place);
    return act();
  }

  #makeOnce(place: Place): Promise<void> {
    const { folder } = place;
    let making = this.#making.get(folder);
    if (making === undefined) {
      making = this.#make(place).finally(() => this.#making.delete(folder));
      this.#making.set(folder, making);
    }
    return making;
  }

  async #make({ mailbox, folder }: Place): Promise<void> {
    if (folder !== mailbox) {
      await this.#makeOnce({ mailbox, folder: mailbox });
      makeSubFolder(mailbox, this.#junkFolder);
    }
    for (const part of ["new", "cur", "tmp"]) {
      Deno.mkdirSync(`${folder}/${part}`, { recursive: true, mode: FOLDER_MODE });
    }
    // A new folder survives a crash once the folder that names it is synced, up to the root.
    const domain = mailbox.slice(0, mailbox.lastIndexOf("/"));
    for (const path of new Set([folder, mailbox, domain, this.#root])) {
      await this.#folders.sync(path);
    }
  }
}

/** A folder of a mailbox: the mailbox's own path, or that of a sub-folder in it. */
interface Place {
  readonly mailbox: string;
  readonly folder: string;
}

/** The folder as Maildir++ has it, and as mail programs see it: in the list of what the user reads. */
function makeSubFolder(mailbox: string, name: string): void {
  const folder = `${mailbox}/${folderSegment(name)}`;
  Deno.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  Deno.writeTextFileSync(`${folder}/maildirfolder`, "", { mode: FILE_MODE });
  const path = `${mailbox}/subscriptions`;
  const line = modifiedUtf7(name);
  try {
    const lines = readTextSync(path).split("\n");
    if (lines.includes(line)) return;
    // Dovecot's form; lines behind the head are names.
    const head = lines[0] === "" ? "V\t2\n\n" : "";
    Deno.writeTextFileSync(path, `${head}${line}\n`, { append: true, mode: FILE_MODE });
  } catch {
    // The folder is there all the same.
  }
}

/** Empty for a file that is not there. */
function readTextSync(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Syncs folders, one sync for all who wait: it covers what was renamed before it began. */
class FolderSync {
  /** By folder, only while a sync runs; at most one waits behind each. */
  readonly #running = new Map<string, { done: Promise<void>; next: Promise<void> | null }>();

  sync(folder: string): Promise<void> {
    const current = this.#running.get(folder);
    if (current === undefined) return this.#start(folder);
    // The running sync may have begun before the caller's rename; the next one begins after it. How
    // the running one ends is the business of those who wait for it.
    current.next ??= current.done.then(() => {}, () => {}).then(() => this.#start(folder));
    return current.next;
  }

  #start(folder: string): Promise<void> {
    const done = syncFolder(folder);
    const entry = { done, next: null };
    this.#running.set(folder, entry);
    const forget = () => {
      if (this.#running.get(folder) === entry && entry.next === null) this.#running.delete(folder);
    };
    done.then(forget, forget);
    return done;
  }
}

async function syncFolder(folder: string): Promise<void> {
  using handle = Deno.openSync(folder);
  await handle.sync();
}

/** Whether the folder has the copy, unread in `new` or under any flags in `cur`. */
async function hasCopy(folder: string, name: string): Promise<boolean> {
  try {
    Deno.lstatSync(`${folder}/new/${name}`);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    for await (const entry of Deno.readDir(`${folder}/cur`)) {
      if (entry.name === name || entry.name.startsWith(`${name}:`)) return true;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return false;
}

function deliveredToField(forwardPath: string): string {
  // deno-lint-ignore no-control-regex
  return `Delivered-To: ${forwardPath.replace(/[\x00-\x1f\x7f-\x9f]/g, "")}\r\n`;
}

function writeAllSync(file: Deno.FsFile, octets: Uint8Array): void {
  for (let written = 0; written < octets.length;) {
    written += file.writeSync(octets.subarray(written));
  }
}

async function writeAll(file: Deno.FsFile, octets: Uint8Array): Promise<void> {
  for (let written = 0; written < octets.length;) {
    written += await file.write(octets.subarray(written));
  }
}

function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Maildir readers clear `tmp` of what is older than 36 hours.
  }
}

/** What to answer when the file system says no: all of it may pass, so nothing fails for good. */
export function deferredBy(error: unknown): LocalOutcome {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOSPC" || code === "EDQUOT") {
    return { kind: "deferred", enhancedStatus: "4.3.1", reason: "mail store full" };
  }
  const reason = code !== "" ? code : error instanceof Error ? error.name : "unknown trouble";
  return { kind: "deferred", enhancedStatus: "4.2.0", reason: `mail store: ${reason}` };
}
