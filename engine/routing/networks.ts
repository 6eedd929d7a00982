/**
 * Lists of networks in CIDR notation, and whether an address is in one (RFC 4632 §3.1, RFC 4291 §2.3).
 * An IPv4 address and its IPv6-mapped form are one address; a network of IPv6 never holds an IPv4
 * address by accident of that mapping, so that `::/0` means all of IPv6 and nothing more.
 */
import { formatIp, type IpWords, isIpv4, parseIp } from "../mail/ip_address.ts";

export interface NetworkList {
  /** Whether one of the networks holds the address; never for text that is no address. */
  contains(address: string): boolean;
  readonly size: number;
}

export type NetworksResult =
  | { readonly kind: "networks"; readonly networks: NetworkList }
  /** `entry` as written, `reason` for the person who wrote it. */
  | { readonly kind: "fault"; readonly entry: string; readonly reason: string };

const WORDS = 4;
/** Bits before an IPv4 address in its mapped form. */
const MAPPED_BITS = 96;

/** Reads addresses and networks, separated by commas or white space; an address alone is itself. */
export function parseNetworks(text: string): NetworksResult {
  const networks: Network[] = [];
  for (const entry of text.split(/[\s,]+/)) {
    if (entry === "") continue;
    const network = parseNetwork(entry);
    if (typeof network === "string") return { kind: "fault", entry, reason: network };
    networks.push(network);
  }
  return { kind: "networks", networks: networkList(networks) };
}

interface Network {
  readonly base: IpWords;
  readonly prefixBits: number;
}

function parseNetwork(entry: string): Network | string {
  const slash = entry.indexOf("/");
  const addressText = slash < 0 ? entry : entry.slice(0, slash);
  const ip = parseIp(addressText);
  if (ip === null) return "no IP address";
  const isQuad = !addressText.includes(":");
  const longest = isQuad ? 32 : 128;
  const bitsText = slash < 0 ? String(longest) : entry.slice(slash + 1);
  if (!/^\d{1,3}$/.test(bitsText) || Number(bitsText) > longest) {
    return `the prefix length is a number from 0 to ${longest}`;
  }
  const prefixBits = Number(bitsText) + (isQuad ? MAPPED_BITS : 0);
  const base = masked(ip, prefixBits);
  if (base.some((word, at) => word !== ip[at])) {
    // Either the address or the length is a slip; guessing could open a relay.
    const bits = isIpv4(base) ? prefixBits - MAPPED_BITS : prefixBits;
    return `bits are set behind the prefix; the network would be ${formatIp(base)}/${bits}`;
  }
  return { base, prefixBits };
}

function masked(ip: IpWords, prefixBits: number): IpWords {
  const [a, b, c, d] = ip;
  return [
    (a & mask(prefixBits)) >>> 0,
    (b & mask(prefixBits - 32)) >>> 0,
    (c & mask(prefixBits - 64)) >>> 0,
    (d & mask(prefixBits - 96)) >>> 0,
  ];
}

/** The mask of one word of which `bits` belong to the prefix; JavaScript shifts modulo 32. */
function mask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

/** Flat arrays: a list is walked for each connection, and nothing is allocated but the address. */
function networkList(networks: readonly Network[]): NetworkList {
  const bases = new Int32Array(networks.length * WORDS);
  const masks = new Int32Array(networks.length * WORDS);
  const holdsIpv4 = new Uint8Array(networks.length);
  networks.forEach(({ base, prefixBits }, at) => {
    for (let word = 0; word < WORDS; word++) {
      bases[at * WORDS + word] = base[word];
      masks[at * WORDS + word] = mask(prefixBits - 32 * word);
    }
    holdsIpv4[at] = prefixBits >= MAPPED_BITS ? 1 : 0;
  });
  return {
    size: networks.length,
    contains(address: string): boolean {
      if (networks.length === 0) return false;
      const ip = parseIp(address);
      if (ip === null) return false;
      const ipv4 = isIpv4(ip);
      for (let at = 0, word = 0; at < networks.length; at++, word += WORDS) {
        if (ipv4 && holdsIpv4[at] === 0) continue;
        if (
          ((ip[3] ^ bases[word + 3]) & masks[word + 3]) === 0 &&
          ((ip[2] ^ bases[word + 2]) & masks[word + 2]) === 0 &&
          ((ip[1] ^ bases[word + 1]) & masks[word + 1]) === 0 &&
          ((ip[0] ^ bases[word]) & masks[word]) === 0
        ) return true;
      }
      return false;
    },
  };
}
