/**
 * Signs with the system's libcrypto (OpenSSL 1.1 or 3), whose RSA is several times as fast as Deno's. Each
 * signer keeps one key and one prepared context, so that a signature costs a single call. A signer belongs
 * to its thread, as all of JavaScript does; libcrypto's objects are not shared between threads here.
 */
import { Buffer } from "node:buffer";
import { hash } from "node:crypto";
import type { OpenSigner, Signer } from "./signer.ts";

const LIBRARIES = Deno.build.os === "darwin"
  ? ["libcrypto.3.dylib", "libcrypto.1.1.dylib"]
  : ["libcrypto.so.3", "libcrypto.so.1.1"];

const SYMBOLS = {
  d2i_AutoPrivateKey: { parameters: ["pointer", "buffer", "isize"], result: "pointer" },
  EVP_PKEY_free: { parameters: ["pointer"], result: "void" },
  EVP_PKEY_CTX_new: { parameters: ["pointer", "pointer"], result: "pointer" },
  EVP_PKEY_CTX_free: { parameters: ["pointer"], result: "void" },
  EVP_PKEY_sign_init: { parameters: ["pointer"], result: "i32" },
  EVP_PKEY_CTX_ctrl_str: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  EVP_PKEY_sign: {
    parameters: ["pointer", "buffer", "buffer", "buffer", "usize"],
    result: "i32",
  },
} as const;

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

/** RSA keys beyond 4096 bits are not used for mail (RFC 8301 §3.2); this is 8192. */
const MAX_SIGNATURE_OCTETS = 1_024;
const DIGEST_OCTETS = 32;

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
    symbols.EVP_PKEY_CTX_ctrl_str(context, text("rsa_padding_mode"), text("pkcs1")) === 1 &&
    symbols.EVP_PKEY_CTX_ctrl_str(context, text("digest"), text("sha256")) === 1;
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

function text(value: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(`${value}\0`, "latin1"));
}
