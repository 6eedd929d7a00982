/**
 * IP addresses as text and as numbers. One form for both families: four 32-bit words, an IPv4 address
 * in its IPv6-mapped place, so that `192.0.2.1` and `::ffff:192.0.2.1` are the same address
 * (RFC 4291 §2.5.5.2). Knows nothing of zones (`%eth0`), which no peer address or configuration needs.
 */

/** Four unsigned 32-bit words, most significant first. */
export type IpWords = readonly [number, number, number, number];

const MAPPED_WORD = 0xffff;
const LONGEST_TEXT = 45;

/** Reads an IPv4 or IPv6 address; `null` when the text is neither. */
export function parseIp(text: string): IpWords | null {
  if (text.length > LONGEST_TEXT) return null;
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Reads a dotted quad; leading zeros are refused, since half the world reads them as octal. */
export function parseIpv4(text: string): IpWords | null {
  const word = quadToWord(text);
  return word === null ? null : [0, 0, MAPPED_WORD, word];
}

/** Reads an IPv6 address in any form of RFC 4291 §2.2. */
export function parseIpv6(text: string): IpWords | null {
  if (text.length > LONGEST_TEXT) return null;
  const gap = text.indexOf("::");
  if (gap < 0) return toWords(readGroups(text), []);
  if (text.indexOf("::", gap + 1) >= 0) return null;
  const headText = text.slice(0, gap);
  const tailText = text.slice(gap + 2);
  // A dotted quad stands only at the very end.
  if (headText.includes(".")) return null;
  return toWords(
    headText === "" ? [] : readGroups(headText),
    tailText === "" ? [] : readGroups(tailText),
    true,
  );
}

/** Whether the address is IPv4, also when it was written as an IPv4-mapped IPv6 address. */
export function isIpv4(ip: IpWords): boolean {
  return ip[0] === 0 && ip[1] === 0 && ip[2] === MAPPED_WORD;
}

/** Text of an address: a dotted quad, or IPv6 as RFC 5952 §4 wants it. */
export function formatIp(ip: IpWords): string {
  return isIpv4(ip) ? wordToQuad(ip[3]) : formatIpv6(ip);
}

function formatIpv6(ip: IpWords): string {
  const groups = ip.flatMap((word) => [word >>> 16, word & 0xffff]);
  let bestStart = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > bestLength) {
      bestStart = start;
      bestLength = end - start;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestStart < 0) return hex.join(":");
  return hex.slice(0, bestStart).join(":") + "::" + hex.slice(bestStart + bestLength).join(":");
}

function wordToQuad(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

const QUAD = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

function quadToWord(text: string): number | null {
  const match = QUAD.exec(text);
  if (match === null) return null;
  let word = 0;
  for (let part = 1; part <= 4; part++) {
    const digits = match[part];
    const value = Number(digits);
    if (value > 255 || (digits.length > 1 && digits[0] === "0")) return null;
    word = word * 256 + value;
  }
  return word;
}

const GROUP = /^[0-9A-Fa-f]{1,4}$/;

/** Groups between colons; a dotted quad at the end counts as two. */
function readGroups(text: string): number[] | null {
  const parts = text.split(":");
  const groups: number[] = [];
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at];
    if (GROUP.test(part)) {
      groups.push(parseInt(part, 16));
      continue;
    }
    const word = at === parts.length - 1 ? quadToWord(part) : null;
    if (word === null) return null;
    groups.push(word >>> 16, word & 0xffff);
  }
  return groups;
}

function toWords(head: number[] | null, tail: number[] | null, hasGap = false): IpWords | null {
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (hasGap ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return [
    groups[0] * 65536 + groups[1],
    groups[2] * 65536 + groups[3],
    groups[4] * 65536 + groups[5],
    groups[6] * 65536 + groups[7],
  ];
}
