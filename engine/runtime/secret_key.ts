/**
 * The key that seals the secrets in the database: the operator's, or one made in the data directory when
 * it is first needed. Decides nothing about what it seals.
 */
import { SECRET_KEY_OCTETS } from "../crypto/secret_box.ts";

export interface SecretKeySource {
  /** Base64 or hexadecimal text of 32 octets; `null`: the file `secret.key` in `dataDir`. */
  readonly fromEnvironment: string | null;
  readonly dataDir: string;
}

const BASE64 = /^[A-Za-z0-9+/]{43}=?$/;
const HEXADECIMAL = /^[0-9a-fA-F]{64}$/;
const FORM = `${SECRET_KEY_OCTETS} octets in base64, as openssl rand -base64 32 makes them`;

/**
 * 32 octets, the same for all who ask: of two that find no file, one makes it and both read it.
 * @throws {Error} one line without the secret, when a text is not a key or the file cannot be had.
 */
export function readSecretKey(source: SecretKeySource): Uint8Array {
  return findSecretKey(source) ??
    keyIn(keyPath(source), makeFile(keyPath(source), source.dataDir));
}

/**
 * The same where there is one, and `null` where it would have to be made.
 * @throws {Error} as `readSecretKey`.
 */
export function findSecretKey(source: SecretKeySource): Uint8Array | null {
  const { fromEnvironment } = source;
  if (fromEnvironment !== null) {
    const key = parseSecretKey(fromEnvironment);
    if (key === null) throw new Error(`SECRET_KEY: expected ${FORM}`);
    return key;
  }
  const text = readIfPresent(keyPath(source));
  return text === null ? null : keyIn(keyPath(source), text);
}

function keyPath({ dataDir }: SecretKeySource): string {
  return `${dataDir}/secret.key`;
}

function keyIn(path: string, text: string): Uint8Array {
  const key = parseSecretKey(text);
  if (key !== null) return key;
  // Never made anew by itself: what the right one sealed would be lost without a word.
  throw new Error(
    `${path}: expected ${FORM}; put a copy of the right key back, ` +
      "or remove the file and with it what it sealed",
  );
}

/** The octets of a key's text; `null` when it is none. */
export function parseSecretKey(text: string): Uint8Array | null {
  const trimmed = text.trim();
  if (HEXADECIMAL.test(trimmed)) return Uint8Array.fromHex(trimmed);
  if (!BASE64.test(trimmed)) return null;
  try {
    return Uint8Array.fromBase64(trimmed);
  } catch {
    return null;
  }
}

function readIfPresent(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw unreadable(path, cause);
  }
}

/** Makes the file whole or not at all, and answers what is in it, be it another's. */
function makeFile(path: string, dataDir: string): string {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    Deno.mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
    const key = crypto.getRandomValues(new Uint8Array(SECRET_KEY_OCTETS));
    writeAll(file, new TextEncoder().encode(`${key.toBase64()}\n`));
    file.syncSync();
    // Linking, unlike renaming, does not replace the file of somebody who was faster.
    Deno.linkSync(temporary, path);
    // What is sealed with it outlives a crash, so its name must, too.
    using directory = Deno.openSync(dataDir, { read: true });
    directory.syncSync();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) {
      throw new Error(`${path}: cannot be made: ${reasonOf(cause)}`, { cause });
    }
  } finally {
    removeIfPresent(temporary);
  }
  const text = readIfPresent(path);
  if (text === null) throw new Error(`${path}: was removed while it was made`);
  return text;
}

function writeAll(file: Deno.FsFile, octets: Uint8Array): void {
  for (let at = 0; at < octets.length;) at += file.writeSync(octets.subarray(at));
}

function removeIfPresent(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function unreadable(path: string, cause: unknown): Error {
  return new Error(`${path}: cannot be read: ${reasonOf(cause)}`, { cause });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
