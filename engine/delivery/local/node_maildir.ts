/**
 * Final delivery into Maildirs below one folder: `<root>/<domain>/<user>/{tmp,new,cur}`. Decides the
 * order of writes and syncs by which a copy is either wholly there or not at all; a copy's name comes
 * from its delivery, so a repeated attempt replaces what the first one left.
 *
 * Small copies are written synchronously, into the page cache in microseconds; what waits for the
 * disk is asynchronous, and deliveries into one mailbox share the sync of its folder.
 */
import { Buffer } from "node:buffer";
import { returnPathField } from "../../mail/received.ts";
import type { LocalDelivery, LocalOutcome, LocalRequest } from "./local_delivery.ts";
import { copyName, encodeSegment } from "./maildir_name.ts";
import { NodeMaildirQuota, type RoomClaim } from "./node_maildir_quota.ts";

/** Up to this a write costs less than handing it to another thread. */
const SYNCHRONOUS_OCTETS = 131_072;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Room in a mailbox that has no quota. */
const UNLIMITED: RoomClaim = { settle: () => {}, release: () => Promise.resolve() };

export class NodeMaildir implements LocalDelivery {
  readonly #root: string;
  readonly #nonce: () => string;
  readonly #folders = new FolderSync();
  readonly #quota: NodeMaildirQuota;
  /** Mailboxes being made, until their folders are synced. */
  readonly #making = new Map<string, Promise<void>>();

  /** @param options `nonce`: letters and digits, different for each attempt on every node; `now`: Unix ms. */
  constructor(
    options: { readonly root: string; readonly nonce: () => string; readonly now: () => number },
  ) {
    this.#root = options.root;
    this.#nonce = options.nonce;
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
    if (request.mayBeRepeated && await hasCopy(mailbox, name)) {
      // The earlier attempt may have ended between its rename and its sync.
      await this.#folders.sync(`${mailbox}/new`);
      return { kind: "delivered", repeated: true };
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
    try {
      await this.#write(mailbox, name, [trace, request.octets]);
    } catch (error) {
      await claim.release();
      throw error;
    }
    claim.settle();
    await this.#folders.sync(`${mailbox}/new`);
    return { kind: "delivered", repeated: false };
  }

  /** Writes a copy aside, and moves it into the mailbox as its last step. */
  async #write(mailbox: string, name: string, pieces: readonly Uint8Array[]): Promise<void> {
    const sizeOctets = pieces.reduce((sum, { length }) => sum + length, 0);
    // The nonce keeps two attempts at once, should a lease run out, from writing into one file.
    const tmp = `${mailbox}/tmp/${name}.${this.#nonce()}`;
    using file = await this.#inMailbox(
      mailbox,
      () => Deno.openSync(tmp, { write: true, createNew: true, mode: FILE_MODE }),
    );
    try {
      for (const piece of pieces) {
        if (sizeOctets <= SYNCHRONOUS_OCTETS) writeAllSync(file, piece);
        else await writeAll(file, piece);
      }
      await file.syncData();
      await this.#inMailbox(mailbox, () => Deno.renameSync(tmp, `${mailbox}/new/${name}`));
    } catch (error) {
      removeQuietly(tmp);
      throw error;
    }
  }

  /** Acts in a mailbox, which is made, or mended, when a folder is missing. */
  async #inMailbox<Result>(mailbox: string, act: () => Result): Promise<Result> {
    const making = this.#making.get(mailbox);
    if (making !== undefined) await making;
    try {
      return act();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.#makeOnce(mailbox);
    return act();
  }

  #makeOnce(mailbox: string): Promise<void> {
    let making = this.#making.get(mailbox);
    if (making === undefined) {
      making = this.#make(mailbox).finally(() => this.#making.delete(mailbox));
      this.#making.set(mailbox, making);
    }
    return making;
  }

  async #make(mailbox: string): Promise<void> {
    for (const folder of ["new", "cur", "tmp"]) {
      Deno.mkdirSync(`${mailbox}/${folder}`, { recursive: true, mode: FOLDER_MODE });
    }
    // A new folder survives a crash once the folder that names it is synced, up to the root.
    const domain = mailbox.slice(0, mailbox.lastIndexOf("/"));
    for (const folder of [mailbox, domain, this.#root]) await this.#folders.sync(folder);
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

/** Whether the mailbox has the copy, unread in `new` or under any flags in `cur`. */
async function hasCopy(mailbox: string, name: string): Promise<boolean> {
  try {
    Deno.lstatSync(`${mailbox}/new/${name}`);
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  try {
    for await (const entry of Deno.readDir(`${mailbox}/cur`)) {
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
