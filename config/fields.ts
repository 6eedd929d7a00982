/** The kinds of values a variable may hold: each reads text and says what it expected instead. */
import { z } from "zod";
import { type DnsServer, parseServers } from "../engine/dns/servers.ts";
import {
  parseFilterAddress,
  parseMilters,
  parseRspamdUrl,
} from "../engine/filters/filter_address.ts";
import { type DnsList, parseDnsLists } from "../engine/limits/dns_list_zones.ts";
import { parseRate, type Rate } from "../engine/limits/rate.ts";
import { normalizeDomain } from "../engine/mail/domain.ts";
import { formatIp, parseIp } from "../engine/mail/ip_address.ts";
import { parseMailbox } from "../engine/mail/path.ts";
import { parseNetworks } from "../engine/routing/networks.ts";

/** A server to relay everything to. */
export interface Smarthost {
  readonly host: string;
  readonly port: number;
  /** TLS from the first octet (RFC 8314 §3.3). */
  readonly secure?: boolean;
  readonly user?: string;
  readonly password?: string;
}

type Read<T> = (text: string) => T | null;

/** A variable read by `read`; a `secret` one never shows what it got. */
export function field<T>(expected: string, read: Read<T>, options: { secret?: boolean } = {}) {
  return z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== null) return value;
    const got = options.secret ? "a value not shown here" : JSON.stringify(text.slice(0, 80));
    context.addIssue({ code: "custom", message: `expected ${expected}, got ${got}` });
    return z.NEVER;
  });
}

/** A variable that may be left out. */
export function orNull<T>(type: z.ZodType<T, string>) {
  return type.optional().transform((value): T | null => value ?? null);
}

/** `off` stands for `null`. */
export function offOr<T>(type: z.ZodType<T, string>) {
  return wordOr("off", null, type);
}

function wordOr<T, const W>(word: string, meaning: W, type: z.ZodType<T, string>) {
  return z.string().transform((value, context): T | W => {
    if (value.toLowerCase() === word) return meaning;
    const result = type.safeParse(value);
    if (result.success) return result.data;
    for (const { message } of result.error.issues) {
      const expected = message.replace(/^expected /, `expected ${word} or `);
      context.addIssue({ code: "custom", message: expected });
    }
    return z.NEVER;
  });
}

export function text(expected: string, form: RegExp) {
  return field(expected, (value) => form.test(value) ? value : null);
}

export function wholeNumber(least: number, most: number) {
  return field(`a whole number from ${least} to ${most}`, (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
    return value >= least && value <= most ? value : null;
  });
}

export function port() {
  return field("a port from 0 to 65535", (text) => {
    const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : NaN;
    return value <= 65535 ? value : null;
  });
}

export function decimal(least: number, most: number) {
  return field(`a number from ${least} to ${most}`, (text) => readDecimal(text, least, most));
}

/** Seconds in the variable, milliseconds in the configuration. */
export function seconds(least: number, most: number) {
  return field(`seconds from ${least} to ${most}`, (text) => {
    const value = readDecimal(text, least, most);
    return value === null ? null : Math.round(value * 1000);
  });
}

function readDecimal(text: string, least: number, most: number): number | null {
  const value = /^[0-9]{1,12}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : NaN;
  return value >= least && value <= most ? value : null;
}

export function yesOrNo() {
  return field("true or false", (text) => {
    if (/^(true|yes|on|1)$/i.test(text)) return true;
    return /^(false|no|off|0)$/i.test(text) ? false : null;
  });
}

/** One of `choices`, in their spelling; `aliases` maps further words to one of them. */
export function oneOf<const T extends string>(
  choices: readonly T[],
  aliases: Readonly<Record<string, T>> = {},
) {
  return field(`one of ${choices.join(", ")}`, (text) => choose(text, choices, aliases));
}

function choose<T extends string>(
  text: string,
  choices: readonly T[],
  aliases: Readonly<Record<string, T>> = {},
): T | null {
  const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
  return found ?? (Object.hasOwn(aliases, text.toLowerCase()) ? aliases[text.toLowerCase()] : null);
}

/** Comma-separated values without repetition; `read` answers `null` for a wrong one. */
export function list<T>(expected: string, read: Read<T>) {
  return field(`${expected}, separated by commas`, (text) => {
    const values = new Map<string, T>();
    for (const item of text.split(",").map((part) => part.trim())) {
      const value = read(item);
      if (value === null) return null;
      values.set(JSON.stringify(value), value);
    }
    return [...values.values()] as readonly T[];
  });
}

export function listOf<const T extends string>(choices: readonly T[]) {
  return list(`some of ${choices.join(", ")}`, (text) => choose(text, choices));
}

export function address() {
  return field("an IP address", readAddress);
}

export function addresses() {
  return list("IP addresses", readAddress);
}

/** Networks and lone addresses, as written. */
export function networks() {
  const expected = "networks such as 10.0.0.0/8 or 2001:db8::/32 with no bits behind the prefix";
  return list(expected, (text) => parseNetworks(text).kind === "networks" ? text : null);
}

/** As `networks`, or `none`. */
export function networksOrNone() {
  return wordOr("none", [], networks());
}

/** How much of something within how long: 100/1m. */
export function rate() {
  return field("a rate such as 100/1m", (value): Rate | null => parseRate(value));
}

/** DNS lists as Postfix's postscreen names them. */
export function dnsLists() {
  return z.string().transform((value, context): readonly DnsList[] => {
    const parsed = parseDnsLists(value);
    if (parsed.kind === "lists") return parsed.lists;
    const message = `${JSON.stringify(parsed.entry.slice(0, 80))}: ${parsed.reason}`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });
}

/** `host:port` or the path of a socket. */
export function filterAddress() {
  return field("host:port or the path of a socket", parseFilterAddress);
}

export function milters() {
  const expected = "milters such as inet:127.0.0.1:8891 or unix:/run/milter.sock";
  return field(`${expected}, separated by commas`, parseMilters);
}

export function rspamdUrl() {
  return field("an address such as http://127.0.0.1:11333", parseRspamdUrl);
}

export function dnsServers() {
  const expected = "addresses such as 192.0.2.53 or [2001:db8::53]:5353, separated by commas";
  return field(expected, (text): readonly DnsServer[] | null => {
    const parsed = parseServers(text);
    return parsed.kind === "servers" ? parsed.servers : null;
  });
}

function readAddress(text: string): string | null {
  const ip = parseIp(text);
  return ip === null ? null : formatIp(ip);
}

/** A name of our own. */
export function domainName() {
  return field("a domain name", readDomainName);
}

/** Names of others. */
export function domainNames() {
  return list("domain names", normalizeDomain);
}

/** Letters, digits and hyphens only: peers turn away an EHLO with more (RFC 5321 §2.3.5). */
export function readDomainName(text: string): string | null {
  const name = readHost(text);
  return name !== null && parseIp(name) === null && /^[a-z0-9.-]+$/.test(name) ? name : null;
}

function readHost(text: string): string | null {
  return readAddress(text) ?? normalizeDomain(text);
}

export function path() {
  return field("a path", (text) => text.includes("\0") ? null : text);
}

/** The address of a store, with its credentials. */
export function storeUrl(schemes: readonly string[]) {
  const expected = `an address such as ${schemes[0]}://user:password@host/…`;
  return field(expected, (text) => {
    const scheme = /^([a-z]+):\/\/[^\s]+$/.exec(text)?.[1];
    return scheme !== undefined && schemes.includes(scheme) ? text : null;
  }, { secret: true });
}

/** 32 octets as base64 or hexadecimal digits; read again where it is used. */
export function secretKey() {
  const expected = "32 random octets in base64, as `openssl rand -base64 32` makes them";
  return field(
    expected,
    (text) => /^(?:[A-Za-z0-9+/]{43}=|[0-9a-fA-F]{64})$/.test(text) ? text : null,
    { secret: true },
  );
}

export function webAddress(schemes: readonly string[]) {
  return field(`an address such as ${schemes[0]}://host/…`, (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    return url !== null && schemes.includes(url.protocol.slice(0, -1)) ? text : null;
  }, { secret: true });
}

export function mailAddress() {
  return field("a mail address", (text) => {
    const mailbox = parseMailbox(text);
    return typeof mailbox === "string" ? null : mailbox.mailbox;
  });
}

export function smarthost() {
  const expected = "smtp://user:password@host:port or smtps://…, special characters as %XX";
  return field(expected, readSmarthost, { secret: true });
}

function readSmarthost(text: string): Smarthost | null {
  const parts =
    /^(smtps?):\/\/(?:([^:@/?#\s]+)(?::([^:@/?#\s]*))?@)?([^:@/?#\s[\]]+|\[[^\]]+\])(?::([0-9]{1,5}))?\/?$/
      .exec(text);
  if (parts === null) return null;
  const [, scheme, user, password, rawHost, rawPort] = parts;
  const secure = scheme === "smtps";
  const port = rawPort === undefined ? (secure ? 465 : 25) : Number(rawPort);
  const host = rawHost.startsWith("[") ? readAddress(rawHost.slice(1, -1)) : readHost(rawHost);
  if (host === null || port < 1 || port > 65535) return null;
  if (user === undefined) return { host, port, secure };
  // A name without a password cannot authenticate.
  if (password === undefined || password === "") return null;
  try {
    const credentials = { user: decodeURIComponent(user), password: decodeURIComponent(password) };
    return { host, port, secure, ...credentials };
  } catch {
    return null;
  }
}
