/**
 * The few calls of libc that accepting connections takes: a `Deno.Conn` cannot change threads, a file
 * descriptor can. Linux only (constants and `sockaddr` layouts below are Linux's).
 */

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

/** glibc, then musl. */
const NAMES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`];

/** @throws {Error} when no libc can be loaded, with the last reason as `cause`. */
export function openLibc(): Libc {
  let cause: unknown;
  for (const name of NAMES) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch (error) {
      cause = error;
    }
  }
  throw new Error("Cannot load libc: accepting connections needs Linux and --allow-ffi", { cause });
}

export const EAGAIN = 11;
export const EINTR = 4;
export const ECONNABORTED = 103;

export const SOCK_STREAM = 1;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;
export const POLLIN = 1;
const AF_INET = 2;
const AF_INET6 = 10;

/** Room for any `sockaddr` (`sockaddr_storage`). */
export const SOCKADDR_OCTETS = 128;

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export function addressFamily(address: string): number {
  return address.includes(":") ? AF_INET6 : AF_INET;
}

/** `sockaddr_in` or `sockaddr_in6` of an endpoint; scope ids are left out. */
export function encodeSockaddr({ address, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const isIpv6 = address.includes(":");
  const octets = new Uint8Array(isIpv6 ? 28 : 16);
  const view = new DataView(octets.buffer);
  view.setUint16(0, addressFamily(address), true);
  view.setUint16(2, port);
  octets.set(isIpv6 ? ipv6Octets(address) : address.split(".").map(Number), isIpv6 ? 8 : 4);
  return octets;
}

/** The endpoint in a `sockaddr`; an IPv4-mapped address comes as IPv4. */
export function decodeSockaddr(octets: Uint8Array): Endpoint {
  const view = new DataView(octets.buffer, octets.byteOffset);
  const port = view.getUint16(2);
  if (view.getUint16(0, true) === AF_INET) {
    return { address: octets.subarray(4, 8).join("."), port };
  }
  const isMapped = octets.subarray(8, 18).every((octet) => octet === 0) &&
    octets[18] === 0xff && octets[19] === 0xff;
  if (isMapped) return { address: octets.subarray(20, 24).join("."), port };
  return { address: ipv6Text(octets.subarray(8, 24)), port };
}

function ipv6Octets(address: string): Uint8Array {
  const octets = new Uint8Array(16);
  const [head, tail] = address.split("::") as [string, string | undefined];
  const groups = (part: string | undefined) => {
    const numbers: number[] = [];
    for (const group of part ? part.split(":") : []) {
      if (group.includes(".")) {
        const [a, b, c, d] = group.split(".").map(Number) as [number, number, number, number];
        numbers.push(a << 8 | b, c << 8 | d);
      } else numbers.push(parseInt(group, 16));
    }
    return numbers;
  };
  const view = new DataView(octets.buffer);
  groups(head).forEach((group, i) => view.setUint16(i * 2, group));
  const last = groups(tail);
  last.forEach((group, i) => view.setUint16((8 - last.length + i) * 2, group));
  return octets;
}

/** RFC 5952: lower case, the longest run of two or more zero groups as `::`. */
function ipv6Text(octets: Uint8Array): string {
  const view = new DataView(octets.buffer, octets.byteOffset);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(i * 2));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
    if (length > 0) at += length - 1;
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (best.at < 0) return hex(groups);
  return `${hex(groups.slice(0, best.at))}::${hex(groups.slice(best.at + best.length))}`;
}
