/**
 * Where outside filters listen, as settings say it. Pure text; whether anybody listens there is not known.
 */
import { normalizeDomain } from "../mail/domain.ts";
import { formatIp, parseIp } from "../mail/ip_address.ts";

export type FilterAddress =
  | { readonly transport: "unix"; readonly path: string }
  | {
    readonly transport: "tcp";
    /** Name or IP address, without brackets. */
    readonly host: string;
    readonly port: number;
  };

/** More milters than any message should wait for. */
export const MAX_MILTERS = 8;
/** `sun_path` of Linux, its final NUL left out. */
const MAX_PATH_OCTETS = 107;

/** Reads `host:port`, `[::1]:3310` or `/path/of/a/socket`; `null` when the text is none of them. */
export function parseFilterAddress(text: string): FilterAddress | null {
  if (text.startsWith("/")) {
    const isUsable = new TextEncoder().encode(text).length <= MAX_PATH_OCTETS && text.length > 1 &&
      !text.includes("\0");
    return isUsable ? { transport: "unix", path: text } : null;
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const [, bracketed, bare, digits] = match;
  const port = Number(digits);
  const host = bracketed !== undefined ? readIpv6(bracketed) : readHost(bare);
  return host === null || port < 1 || port > 65_535 ? null : { transport: "tcp", host, port };
}

/** As `parseFilterAddress` reads it. */
export function formatFilterAddress(address: FilterAddress): string {
  if (address.transport === "unix") return address.path;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads `inet:127.0.0.1:8891,unix:/run/opendkim.sock`, each milter once, in the order they are asked. */
export function parseMilters(text: string): readonly FilterAddress[] | null {
  const milters = new Map<string, FilterAddress>();
  for (const entry of text.split(",").map((part) => part.trim())) {
    const colon = entry.indexOf(":");
    const address = parseFilterAddress(entry.slice(colon + 1));
    const family = address?.transport === "tcp" ? "inet" : "unix";
    if (address === null || entry.slice(0, Math.max(colon, 0)) !== family) return null;
    milters.set(formatFilterAddress(address), address);
  }
  return milters.size > MAX_MILTERS ? null : [...milters.values()];
}

/**
 * Reads `http://127.0.0.1:11333`, the address of rspamd's normal or proxy worker, to which the path of a check
 * is added; `null` for anything with credentials, a query or a fragment.
 */
export function parseRspamdUrl(text: string): string | null {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return null;
  const { origin, pathname, search, hash, username, password } = new URL(text);
  if (search !== "" || hash !== "" || username !== "" || password !== "") return null;
  return `${origin}${pathname.endsWith("/") ? pathname.slice(0, -1) : pathname}`;
}

/** Reads what a variable `…_ON_FAILURE` says. */
export function parseOnFailure(text: string): OnFailure | null {
  return text === "accept" || text === "defer" ? text : null;
}

/** What becomes of mail a filter cannot say anything about: it goes on, or the client comes again. */
export type OnFailure = "accept" | "defer";

function readIpv6(text: string): string | null {
  const ip = text.includes(":") ? parseIp(text) : null;
  return ip === null ? null : formatIp(ip);
}

function readHost(text: string): string | null {
  const ip = parseIp(text);
  if (ip !== null) return formatIp(ip);
  // What looks like an address and is none is a mistake, not a name.
  return /^[0-9.]+$/.test(text) ? null : normalizeDomain(text);
}
