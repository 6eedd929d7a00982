/**
 * Decides which hosts take mail for a destination and in what order (RFC 5321 §5.1, RFC 7505). It
 * says so as a value only where the DNS is sure; what it could not learn is `tempfail`, so that no
 * mail is returned for a resolver's hiccup. Connecting, and what TLS to ask for, are not its concern.
 */
import { isIPv4, isIPv6 } from "node:net";
import type { MxRecord, Resolver, TempfailReason } from "../dns/resolver.ts";

/** Hosts considered, the most preferred; RFC 5321 §5.1 asks for two at least. */
const MAX_HOSTS = 10;
/** Addresses over all hosts; every host keeps its first before any keeps a second. */
const MAX_ADDRESSES = 20;

export interface MxHost {
  /** Lower case without the trailing dot; an address literal stands as it was given. */
  readonly name: string;
  readonly preference: number;
  /** At least one; IPv6 and IPv4 in turn, IPv6 first, each family in the resolver's order. */
  readonly addresses: readonly string[];
}

export type MailHosts =
  /** At least one, in the order to try them. */
  | { readonly kind: "hosts"; readonly hosts: readonly MxHost[] }
  /** The domain takes no mail at all (RFC 7505): 5.1.10. */
  | { readonly kind: "null_mx" }
  | { readonly kind: "no_such_domain" }
  /** The domain is there and nothing in it takes mail. */
  | { readonly kind: "no_mail_host" }
  /** We are the best host there is and yet hold the mail as relay. */
  | { readonly kind: "loops_to_us" }
  | { readonly kind: "tempfail"; readonly reason: TempfailReason };

export interface MailHostOptions {
  readonly resolver: Resolver;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether a host is this server; asked by name first, with `null`, then with each address. */
  readonly isOurs?: (name: string, address: string | null) => boolean;
}

/** What a host's name came to. */
type HostLookup =
  | { readonly kind: "usable"; readonly host: MxHost }
  | { readonly kind: "ours"; readonly preference: number }
  | { readonly kind: "no_address" }
  | { readonly kind: "tempfail"; readonly reason: TempfailReason };

/**
 * Finds the hosts of a destination.
 *
 * @param destination A domain in A-labels, or an address literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
 */
export async function findMailHosts(
  destination: string,
  options: MailHostOptions,
): Promise<MailHosts> {
  if (destination.startsWith("[")) return readLiteral(destination, options);
  const answer = await options.resolver.mx(destination);
  switch (answer.kind) {
    case "nxdomain":
      return { kind: "no_such_domain" };
    case "tempfail":
      return answer;
    case "nodata": {
      // RFC 5321 §5.1: only where there is no MX the domain itself is the host.
      const exchange = destination.toLowerCase().replace(/\.$/, "");
      return chooseHosts([{ preference: 0, exchange }], options);
    }
    case "found": {
      // RFC 7505 §3: a null MX stands alone; beside others it means nothing.
      const records = answer.records.filter((record) => record.exchange !== ".");
      return records.length === 0 ? { kind: "null_mx" } : chooseHosts(records, options);
    }
  }
}

/** RFC 5321 §4.1.3. */
function readLiteral(literal: string, options: MailHostOptions): MailHosts {
  const inside = /^\[(.*)\]$/.exec(literal)?.[1] ?? "";
  const ipv6 = /^ipv6:(.*)$/i.exec(inside)?.[1];
  const address = ipv6 ?? inside;
  const isAddress = ipv6 === undefined ? isIPv4(address) : isIPv6(address);
  if (!isAddress || address.includes("%")) return { kind: "no_mail_host" };
  if (options.isOurs?.(literal, address)) return { kind: "loops_to_us" };
  return { kind: "hosts", hosts: [{ name: literal, preference: 0, addresses: [address] }] };
}

async function chooseHosts(
  records: readonly MxRecord[],
  options: MailHostOptions,
): Promise<MailHosts> {
  const { isOurs = () => false, resolver } = options;
  const ordered = orderRecords(records, options.random);
  // RFC 5321 §5.1: a relay that finds itself uses only hosts strictly preferred to it.
  const ownByName = ordered.find((record) => isOurs(record.exchange, null))?.preference ?? Infinity;
  const considered = ordered.filter((record) => record.preference < ownByName).slice(0, MAX_HOSTS);
  const lookups = await Promise.all(
    considered.map((record) => lookUpHost(record, { resolver, isOurs })),
  );
  const own = lookups.find((lookup) => lookup.kind === "ours")?.preference ?? ownByName;

  const hosts = lookups.flatMap((lookup) =>
    lookup.kind === "usable" && lookup.host.preference < own ? [lookup.host] : []
  );
  if (hosts.length > 0) return { kind: "hosts", hosts: limitAddresses(hosts) };
  for (const [index, lookup] of lookups.entries()) {
    if (lookup.kind === "tempfail" && considered[index].preference < own) return lookup;
  }
  // RFC 5321 §5.1: with MX records of which none is usable the domain's own address is no way out.
  return own === Infinity ? { kind: "no_mail_host" } : { kind: "loops_to_us" };
}

/** Most preferred first, equals in random order (RFC 5321 §5.1), each host once. */
function orderRecords(records: readonly MxRecord[], random: () => number): readonly MxRecord[] {
  const ordered = records
    .map((record) => ({ record, lot: random() }))
    .sort((a, b) => a.record.preference - b.record.preference || a.lot - b.lot);
  const names = new Set<string>();
  return ordered.map(({ record }) => record).filter(({ exchange }) => {
    const isNew = !names.has(exchange);
    names.add(exchange);
    return isNew;
  });
}

async function lookUpHost(
  record: MxRecord,
  options: {
    readonly resolver: Resolver;
    readonly isOurs: (name: string, address: string | null) => boolean;
  },
): Promise<HostLookup> {
  const { exchange: name, preference } = record;
  const [ipv6, ipv4] = await Promise.all([
    options.resolver.aaaa(name),
    options.resolver.a(name),
  ]);
  const ipv6Addresses = ipv6.kind === "found" ? ipv6.records : [];
  const ipv4Addresses = ipv4.kind === "found" ? ipv4.records : [];
  const isOurs = (address: string) => options.isOurs(name, address);
  if (ipv6Addresses.some(isOurs) || ipv4Addresses.some(isOurs)) return { kind: "ours", preference };
  const addresses = interleave(ipv6Addresses, ipv4Addresses);
  if (addresses.length > 0) return { kind: "usable", host: { name, preference, addresses } };
  if (ipv4.kind === "tempfail") return ipv4;
  if (ipv6.kind === "tempfail") return ipv6;
  return { kind: "no_address" };
}

function interleave(first: readonly string[], second: readonly string[]): readonly string[] {
  const woven: string[] = [];
  const rounds = Math.min(Math.max(first.length, second.length), MAX_ADDRESSES);
  for (let round = 0; round < rounds; round++) {
    if (round < first.length) woven.push(first[round]);
    if (round < second.length) woven.push(second[round]);
  }
  return woven.slice(0, MAX_ADDRESSES);
}

/** Deals the addresses out in rounds, so that a host with many does not push the others out. */
function limitAddresses(hosts: readonly MxHost[]): readonly MxHost[] {
  const kept = hosts.map(() => 0);
  let left = MAX_ADDRESSES;
  for (let round = 0; left > 0 && round < MAX_ADDRESSES; round++) {
    for (const [index, host] of hosts.entries()) {
      if (left === 0 || round >= host.addresses.length) continue;
      kept[index]++;
      left--;
    }
  }
  return hosts.map((host, index) => ({ ...host, addresses: host.addresses.slice(0, kept[index]) }));
}
