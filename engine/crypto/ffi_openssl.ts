/**
 * Signs and verifies with the system's libcrypto (OpenSSL 1.1 or 3), whose RSA is several times as fast as Deno's.
 * Each signer, and each key that verifies, keeps one key and one prepared context, so that a signature costs a
 * single call. They belong to their thread, as all of JavaScript does; libcrypto's objects are not shared
 * between threads here.
 */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import { readRsaPublicKey } from "./rsa_public_key.ts";
import type { OpenSigner, Signer } from "./signer.ts";
import type { OpenVerifyingKey, VerifyingKey } from "./verifier.ts";

const LIBRARIES = Deno.build.os === "darwin"
  ? ["libcrypto.3.dylib", "libcrypto.1.1.dylib"]
  : ["libcrypto.so.3", "libcrypto.so.1.1"];

const SYMBOLS = {
  d2i_AutoPrivateKey: { parameters: ["pointer", "buffer", "isize"], result: "pointer" },
  d2i_PublicKey: { parameters: ["i32", "pointer", "buffer", "isize"], result: "pointer" },
  EVP_PKEY_free: { parameters: ["pointer"], result: "void" },
  EVP_PKEY_CTX_new: { parameters: ["pointer", "pointer"], result: "pointer" },
  EVP_PKEY_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_PKEY_sign_init: { parameters: ["pointer"], result: "i32" },
  EVP_PKEY_CTX_ctrl_str: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_PKEY_sign: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "usize"],
    result: "i32",
  },
  EVP_PKEY_verify_init: { parameters: ["pointer"], result: "i32" },
  EVP_PKEY_verify: {
    parameters: ["pointer", "buffer", "usize", "buffer", "usize"],
    result: "i32",
  },
  ERR_clear_error: { parameters: [], result: "void" },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** RSA keys beyond 4096 bits are not used for mail (RFC 8301 §3.2); this is 8192. */
const MAX_SIGNATURE_OCTETS = 1_024;
const DIGEST_OCTETS = 32;
/** NID_rsaEncryption */
const EVP_PKEY_RSA = 6;

/** Opens RSA keys by libcrypto and leaves all others to `fallback`; `null` where there is no libcrypto. */
export function openSslSigners(
  fallback: OpenSigner,
  libraries: readonly string[] = LIBRARIES,
): OpenSigner | null {
  const library = loadLibrary(libraries);
  if (library === null) return null;
  return (algorithm, privateKey) =>
    algorithm === "rsa-sha256"
      ? openRsaSigner(library, privateKey)
      : fallback(algorithm, privateKey);
}

/** Opens public RSA keys by libcrypto and leaves all others to `fallback`; `null` where there is no libcrypto. */
export function openSslVerifyingKeys(
  fallback: OpenVerifyingKey,
  libraries: readonly string[] = LIBRARIES,
): OpenVerifyingKey | null {
  const library = loadLibrary(libraries);
  if (library === null) return null;
  return (algorithm, publicKey) =>
    algorithm === "rsa-sha256"
      ? openRsaVerifyingKey(library, publicKey)
      : fallback(algorithm, publicKey);
}

function loadLibrary(names: readonly string[]): Library | null {
  for (const name of names) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch {
      // Not there, or without one of the functions: the next, or none.
    }
  }
  return null;
}

function openRsaSigner({ symbols }: Library, privateKey: Uint8Array): Signer {
  const der = new Uint8Array(privateKey);
  const position = new BigUint64Array([
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(der)),
  ]);
  const key = symbols.d2i_AutoPrivateKey(null, new Uint8Array(position.buffer), BigInt(der.length));
  der.fill(0);
  if (key === null) throw new Error("The private key cannot be read");
  const context = symbols.EVP_PKEY_CTX_new(key, null);
  // The context keeps a reference of its own.
  symbols.EVP_PKEY_free(key);
  const isReady = context !== null && symbols.EVP_PKEY_sign_init(context) === 1 &&
    isSetUp(symbols, context);
  if (!isReady) {
    symbols.EVP_PKEY_CTX_free(context);
    throw new Error("The private key is not of rsa-sha256");
  }
  const signature = new Uint8Array(MAX_SIGNATURE_OCTETS);
  const length = new BigUint64Array(1);
  const lengthOctets = new Uint8Array(length.buffer);
  let isOpen = true;
  return {
    algorithm: "rsa-sha256",
    sign(octets) {
      if (!isOpen) throw new Error("The signer is closed");
      const digest = hash("sha256", octets, "buffer");
      length[0] = BigInt(MAX_SIGNATURE_OCTETS);
      const size = BigInt(DIGEST_OCTETS);
      if (symbols.EVP_PKEY_sign(context, signature, lengthOctets, digest, size) !== 1) {
        throw new Error("libcrypto cannot sign");
      }
      return signature.slice(0, Number(length[0]));
    },
    [Symbol.dispose]() {
      if (isOpen) symbols.EVP_PKEY_CTX_free(context);
      isOpen = false;
    },
  };
}

function openRsaVerifyingKey({ symbols }: Library, publicKey: Uint8Array): VerifyingKey | null {
  const read = readRsaPublicKey(publicKey);
  if (read === null) return null;
  const { bits, pkcs1 } = read;
  const position = new BigUint64Array([
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(pkcs1)),
  ]);
  const octets = new Uint8Array(position.buffer);
  const key = symbols.d2i_PublicKey(EVP_PKEY_RSA, null, octets, BigInt(pkcs1.length));
  const context = key === null ? null : symbols.EVP_PKEY_CTX_new(key, null);
  // The context keeps a reference of its own.
  symbols.EVP_PKEY_free(key);
  const isReady = context !== null && symbols.EVP_PKEY_verify_init(context) === 1 &&
    isSetUp(symbols, context);
  if (!isReady) {
    symbols.EVP_PKEY_CTX_free(context);
    symbols.ERR_clear_error();
    return null;
  }
  const digestSize = BigInt(DIGEST_OCTETS);
  let isOpen = true;
  return {
    bits,
    verify(octets, signature) {
      if (!isOpen) throw new Error("The key is closed");
      const digest = hash("sha256", octets, "buffer");
      const size = BigInt(signature.length);
      // A view of another buffer than its own is not what the call takes.
      const own = new Uint8Array(signature);
      const isValid = symbols.EVP_PKEY_verify(context, own, size, digest, digestSize) === 1;
      // Each failure is noted in the thread's queue of errors, which would only grow old there.
      if (!isValid) symbols.ERR_clear_error();
      return isValid;
    },
    [Symbol.dispose]() {
      if (isOpen) symbols.EVP_PKEY_CTX_free(context);
      isOpen = false;
    },
  };
}

/** PKCS #1 v1.5 over a SHA-256 digest. */
function isSetUp(symbols: Library["symbols"], context: Deno.PointerObject): boolean {
  return symbols.EVP_PKEY_CTX_ctrl_str(context, text("rsa_padding_mode"), text("pkcs1")) === 1 &&
    symbols.EVP_PKEY_CTX_ctrl_str(context, text("digest"), text("sha256")) === 1;
}

function text(value: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(`${value}\0`, "latin1"));
}
