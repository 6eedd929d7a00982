/**
 * How passwords are kept: scrypt (RFC 7914) with its parameters beside the hash, so that they can grow
 * without locking anybody out.
 */
import { randomInt, scrypt, type ScryptOptions, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";

/** Cost of new hashes: 2^14 · 8 · 128 octets = 16 MiB and some 50 ms each. */
const COST_LOG2 = 14;
const BLOCK_SIZE = 8;
const PARALLELIZATION = 1;
const SALT_OCTETS = 16;
const HASH_OCTETS = 32;
/** Bounds what a hash in the database can make us spend. */
const MAX_COST_LOG2 = 20;
const MAX_BLOCK_SIZE = 32;
const MAX_PARALLELIZATION = 16;
/** Longer passwords are refused, so that a stranger cannot make us hash megabytes. */
export const MAX_PASSWORD_OCTETS = 1024;

/** Letters and digits that are not mistaken for one another. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const GENERATED_LENGTH = 20;

const ENCODED = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([\w+/]{1,88})\$([\w+/]{43})$/;

interface Parameters {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

/** `$scrypt$ln=14,r=8,p=1$salt$hash`, in base 64 without padding. */
export async function hashPassword(
  password: string,
  options: { salt: Uint8Array } = { salt: crypto.getRandomValues(new Uint8Array(SALT_OCTETS)) },
): Promise<string> {
  const parameters = {
    costLog2: COST_LOG2,
    blockSize: BLOCK_SIZE,
    parallelization: PARALLELIZATION,
  };
  const hash = await derive(password, options.salt, parameters);
  const settings = `ln=${COST_LOG2},r=${BLOCK_SIZE},p=${PARALLELIZATION}`;
  return `$scrypt$${settings}$${base64(options.salt)}$${base64(hash)}`;
}

/**
 * Whether the password is the one hashed. With `null`, for a user that does not exist, it takes as long
 * and is false, so that time does not tell who exists.
 */
export async function verifyPassword(password: string, encoded: string | null): Promise<boolean> {
  if (Buffer.byteLength(password) > MAX_PASSWORD_OCTETS) return false;
  const parsed = parse(encoded ?? NOBODY);
  if (parsed === null) return false;
  const hash = await derive(password, parsed.salt, parsed.parameters);
  return timingSafeEqual(hash, parsed.hash) && encoded !== null;
}

/** A password to be shown once: 20 characters, 116 bits. */
export function generatePassword(random: (below: number) => number = randomInt): string {
  return Array.from({ length: GENERATED_LENGTH }, () => ALPHABET[random(ALPHABET.length)]).join("");
}

const NOBODY = `$scrypt$ln=${COST_LOG2},r=${BLOCK_SIZE},p=${PARALLELIZATION}$${"A".repeat(22)}$${
  "A".repeat(43)
}`;

function parse(
  encoded: string,
): { parameters: Parameters; salt: Buffer; hash: Buffer } | null {
  const match = ENCODED.exec(encoded);
  if (match === null) return null;
  const [costLog2, blockSize, parallelization] = match.slice(1, 4).map(Number);
  const fits = costLog2 >= 1 && costLog2 <= MAX_COST_LOG2 &&
    blockSize >= 1 && blockSize <= MAX_BLOCK_SIZE &&
    parallelization >= 1 && parallelization <= MAX_PARALLELIZATION;
  if (!fits) return null;
  return {
    parameters: { costLog2, blockSize, parallelization },
    salt: Buffer.from(match[4], "base64"),
    hash: Buffer.from(match[5], "base64"),
  };
}

function derive(password: string, salt: Uint8Array, parameters: Parameters): Promise<Buffer> {
  const { costLog2, blockSize, parallelization } = parameters;
  const options: ScryptOptions = {
    N: 2 ** costLog2,
    r: blockSize,
    p: parallelization,
    maxmem: 2 ** costLog2 * blockSize * 128 * 2 + 1024 * 1024,
  };
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // RFC 8265 §4.2.2: the same password typed on two keyboards has one form.
  scrypt(password.normalize("NFC"), salt, HASH_OCTETS, options, (error, hash) => {
    if (error === null) resolve(hash);
    else reject(error);
  });
  return promise;
}

function base64(octets: Uint8Array): string {
  return Buffer.from(octets).toString("base64").replace(/=+$/, "");
}
