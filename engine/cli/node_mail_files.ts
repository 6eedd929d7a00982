/**
 * The messages of mail files, one after the other: mailbox files, Maildirs, folders of messages, single messages. Reads
 * of each no more than it is told to, and holds one at a time.
 */
import { isMbox, MboxSplitter } from "./mbox.ts";

export interface MailFile {
  /** Where it comes from, for people. */
  readonly name: string;
  readonly octets: Uint8Array;
}

export interface MailFileOptions {
  readonly maxOctets: number;
}

export type ReadMailFiles = (
  paths: readonly string[],
  options: MailFileOptions,
) => AsyncIterable<MailFile>;

const CHUNK_OCTETS = 262_144;
/** Folders below a folder that is given. */
const MAX_DEPTH = 8;

/** @throws {Error} of one readable line when a path cannot be read; that none is there is said before any is read. */
export async function* readMailFiles(
  paths: readonly string[],
  options: MailFileOptions,
): AsyncGenerator<MailFile> {
  for (const path of paths) {
    await readable(path, () => Deno.stat(path));
  }
  for (const path of paths) {
    const { isDirectory } = await readable(path, () => Deno.stat(path));
    if (isDirectory) yield* readFolder(path, { ...options, depth: 0 });
    else yield* readFile(path, options);
  }
}

async function* readFolder(
  path: string,
  options: MailFileOptions & { readonly depth: number },
): AsyncGenerator<MailFile> {
  const { depth } = options;
  const folders: string[] = [];
  const names: string[] = [];
  await readable(path, async () => {
    for await (const { name, isDirectory, isFile } of Deno.readDir(path)) {
      if (isDirectory) folders.push(name);
      if (isFile && !name.startsWith(".")) names.push(name);
    }
  });
  if (folders.includes("cur") && folders.includes("new")) {
    // A Maildir: beside its messages there are only notes of programs.
    for (const part of ["new", "cur"]) {
      yield* readFolder(`${path}/${part}`, { ...options, depth: MAX_DEPTH });
    }
    return;
  }
  for (const name of names.sort()) yield* readFile(`${path}/${name}`, options);
  if (depth >= MAX_DEPTH) return;
  for (const name of folders.sort()) {
    if (!name.startsWith(".")) {
      yield* readFolder(`${path}/${name}`, { ...options, depth: depth + 1 });
    }
  }
}

async function* readFile(path: string, { maxOctets }: MailFileOptions): AsyncGenerator<MailFile> {
  using file = await readable(path, () => Deno.open(path));
  const chunk = new Uint8Array(CHUNK_OCTETS);
  const head = chunk.slice(0, await readInto(file, chunk));
  if (!isMbox(head)) {
    const octets = new Uint8Array(maxOctets);
    octets.set(head.subarray(0, maxOctets));
    const start = Math.min(head.length, maxOctets);
    const length = start + await readInto(file, octets.subarray(start));
    if (length > 0) yield { name: path, octets: octets.slice(0, length) };
    return;
  }
  const splitter = new MboxSplitter({ maxOctets });
  let count = 0;
  const named = (messages: readonly Uint8Array[]) =>
    messages.map((octets): MailFile => ({ name: `${path}#${++count}`, octets }));
  yield* named(splitter.push(head));
  for (let length = await readInto(file, chunk); length > 0; length = await readInto(file, chunk)) {
    yield* named(splitter.push(chunk.subarray(0, length)));
  }
  yield* named(splitter.end());
}

/** Fills the octets as far as the file goes. */
async function readInto(file: Deno.FsFile, octets: Uint8Array): Promise<number> {
  let length = 0;
  while (length < octets.length) {
    const read = await file.read(octets.subarray(length));
    if (read === null) break;
    length += read;
  }
  return length;
}

async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new Error(`cannot read ${path}: ${reason}`, { cause: error });
  }
}
