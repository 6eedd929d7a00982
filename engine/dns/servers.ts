/**
 * Which DNS servers to ask, from settings and from `resolv.conf` text. Servers are addresses: a name
 * would need a resolver to find.
 */
import { canonicalAddress } from "./name.ts";

export interface DnsServer {
  /** An IP address in canonical form, without brackets. */
  readonly host: string;
  readonly port: number;
}

export type ServersParse =
  | { readonly kind: "servers"; readonly servers: readonly DnsServer[] }
  /** One readable sentence that names the faulty entry. */
  | { readonly kind: "invalid"; readonly fault: string };

const DNS_PORT = 53;
/** What glibc reads of `resolv.conf` at the most (MAXNS). */
const MAX_SYSTEM_SERVERS = 3;

/** Reads `127.0.0.1:5353,[::1]:53,9.9.9.9,2001:db8::1`; port 53 where none is given. */
export function parseServers(text: string): ServersParse {
  const servers: DnsServer[] = [];
  for (const entry of text.split(",").map((part) => part.trim()).filter((part) => part !== "")) {
    const server = parseServer(entry);
    if (server === null) {
      return { kind: "invalid", fault: `"${entry}" is not an IP address with an optional port` };
    }
    servers.push(server);
  }
  return servers.length === 0
    ? { kind: "invalid", fault: "no DNS server is named" }
    : { kind: "servers", servers };
}

/** The `nameserver` lines of a `resolv.conf`, or this machine's port 53 where there are none. */
export function parseResolvConf(text: string): readonly DnsServer[] {
  const servers: DnsServer[] = [];
  for (const line of text.split("\n")) {
    const [keyword, address] = line.trim().split(/\s+/);
    if (keyword !== "nameserver" || address === undefined) continue;
    const host = canonicalAddress(address);
    if (host !== null) servers.push({ host, port: DNS_PORT });
    if (servers.length === MAX_SYSTEM_SERVERS) break;
  }
  return servers.length === 0 ? [{ host: "127.0.0.1", port: DNS_PORT }] : servers;
}

function parseServer(entry: string): DnsServer | null {
  const bare = canonicalAddress(entry);
  if (bare !== null) return { host: bare, port: DNS_PORT };
  const match = /^(?:\[([^\]]*)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(entry);
  if (match === null) return null;
  const [, bracketed, dotted, digits] = match;
  const host = canonicalAddress(bracketed ?? dotted);
  const port = digits === undefined ? DNS_PORT : Number(digits);
  if (host === null || port < 1 || port > 65_535) return null;
  return bracketed !== undefined === host.includes(":") ? { host, port } : null;
}
