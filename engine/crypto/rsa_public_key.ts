/**
 * RSA public keys as strangers publish them: SubjectPublicKeyInfo or the bare RSAPublicKey in it (RFC 8017 §A.1.1,
 * RFC 5280 §4.1.2.7). Reads just enough to know what a signature would cost before a library is given the key.
 */

export interface RsaPublicKey {
  readonly bits: number;
  /** RSAPublicKey in DER. */
  readonly pkcs1: Uint8Array<ArrayBuffer>;
}

/** RFC 8301 §3.2: verifiers must take 1024 to 4096 bits; more only cost time. */
const MAX_BITS = 4_096;
/** Time grows with the exponent's length; 65537 has 3 octets. */
const MAX_EXPONENT_OCTETS = 4;

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const SEQUENCE = 0x30;
/** AlgorithmIdentifier of rsaEncryption with its NULL, which some leave out. */
const RSA_ENCRYPTION = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

interface Element {
  readonly start: number;
  readonly end: number;
}

/** `null` when the octets are no RSA key, or one nobody signs mail with. */
export function readRsaPublicKey(octets: Uint8Array): RsaPublicKey | null {
  const outer = element(octets, SEQUENCE, { start: 0, end: octets.length });
  if (outer === null || outer.end !== octets.length) return null;
  const algorithm = element(octets, SEQUENCE, outer);
  if (algorithm === null) return keyIn(octets, { start: 0, end: octets.length });
  if (!RSA_ENCRYPTION.every((octet, at) => octets[algorithm.start + at] === octet)) return null;
  const bitString = element(octets, BIT_STRING, { start: algorithm.end, end: outer.end });
  if (bitString === null || bitString.end !== outer.end || octets[bitString.start] !== 0) {
    return null;
  }
  return keyIn(octets, { start: bitString.start + 1, end: bitString.end });
}

function keyIn(octets: Uint8Array, place: Element): RsaPublicKey | null {
  const key = element(octets, SEQUENCE, place);
  const modulus = key === null ? null : element(octets, INTEGER, key);
  if (key === null || modulus === null) return null;
  const exponent = element(octets, INTEGER, { start: modulus.end, end: key.end });
  if (exponent === null || exponent.end !== key.end || key.end !== place.end) return null;
  const [n, e] = [magnitude(octets, modulus), magnitude(octets, exponent)];
  if (n.length === 0 || e.length === 0 || e.length > MAX_EXPONENT_OCTETS) return null;
  const bits = n.length * 8 - (Math.clz32(n[0]) - 24);
  // Even numbers are no moduli and no exponents.
  if (bits > MAX_BITS || (n[n.length - 1] & e[e.length - 1] & 1) === 0) return null;
  return { bits, pkcs1: octets.slice(place.start, place.end) };
}

/** The contents of an element of this kind at the start of a place; `null` when there is none in it. */
function element(octets: Uint8Array, tag: number, { start, end }: Element): Element | null {
  if (start + 2 > end || octets[start] !== tag) return null;
  let at = start + 2;
  let length = octets[start + 1];
  if (length >= 0x80) {
    const more = length & 0x7f;
    if (more === 0 || more > 2 || at + more > end) return null;
    length = 0;
    for (let n = 0; n < more; n++) length = length * 256 + octets[at++];
  }
  return at + length <= end ? { start: at, end: at + length } : null;
}

/** An integer's octets without leading zeros; empty for a negative one. */
function magnitude(octets: Uint8Array, { start, end }: Element): Uint8Array {
  if (octets[start] >= 0x80) return octets.subarray(0, 0);
  while (start < end && octets[start] === 0) start++;
  return octets.subarray(start, end);
}
