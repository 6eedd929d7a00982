/** Whether mail for a domain is led to this server (RFC 5321 §5.1, RFC 7505). */
import type { DnsAnswer, MxRecord } from "../dns/resolver.ts";
import { parseIp } from "../mail/ip_address.ts";
import { absence, unanswered } from "./dns_finding.ts";
import { duplicated, type Finding, missing, right, warn, wrong } from "./finding.ts";

export interface MxAnswers {
  readonly domain: string;
  readonly hostname: string;
  readonly mx: DnsAnswer<MxRecord>;
  /** What the mail host's name itself is an alias of. */
  readonly hostAlias: DnsAnswer<string>;
}

const PUBLISH = "publish the MX record given below";

export function judgeMx({ domain, hostname, mx, hostAlias }: MxAnswers): Finding {
  if (mx.kind === "nxdomain" || mx.kind === "nodata") {
    return absence(mx, { what: "MX record", name: domain });
  }
  if (mx.kind === "tempfail") return unanswered(mx.reason, domain);
  const exchanges = mx.records.map(({ exchange }) => exchange);
  // RFC 7505 §3: a null MX stands alone and means that the domain takes no mail.
  if (exchanges.includes(".")) {
    return wrong(`a null MX (".") says that ${domain} takes no mail`, `remove it and ${PUBLISH}`);
  }
  const literal = exchanges.find((exchange) => parseIp(exchange) !== null);
  if (literal !== undefined) {
    return wrong(
      `the MX record holds the IP address ${literal}, where only a host name may stand`,
      PUBLISH,
    );
  }
  const ours = mx.records.filter(({ exchange }) => exchange === hostname);
  const others = [...new Set(exchanges.filter((exchange) => exchange !== hostname))];
  if (ours.length === 0) {
    return wrong(`MX leads to ${others.join(", ")}, not to ${hostname}`, PUBLISH);
  }
  if (hostAlias.kind === "tempfail") return unanswered(hostAlias.reason, hostname);
  // RFC 5321 §5.1, RFC 2181 §10.3: the name in an MX record is no alias.
  if (hostAlias.kind === "found") {
    return wrong(
      `${hostname}, to which MX leads, is an alias (CNAME) of ${hostAlias.records[0]}`,
      `give ${hostname} address records of its own`,
    );
  }
  if (ours.length > 1) {
    const preferences = ours.map(({ preference }) => preference).join(", ");
    return {
      ...duplicated(
        `MX names ${hostname} ${ours.length} times (preferences ${preferences})`,
        "keep one of them",
      ),
      isMinor: true,
    };
  }
  if (others.length > 0) {
    return warn(
      `MX leads to ${hostname}, and to ${others.join(", ")} too`,
      "see that those take mail for the domain, or remove them",
    );
  }
  return right(`MX leads to ${hostname}`);
}

/** Whether the mail host has the addresses it should have. */
export function judgeAddresses(
  { hostname, expected, a, aaaa }: {
    readonly hostname: string;
    /** Empty when nobody said which. */
    readonly expected: readonly string[];
    readonly a: DnsAnswer<string>;
    readonly aaaa: DnsAnswer<string>;
  },
): Finding {
  const found = [a, aaaa].flatMap((answer) => answer.kind === "found" ? answer.records : []);
  for (const answer of [a, aaaa]) {
    if (answer.kind === "tempfail") return unanswered(answer.reason, hostname);
  }
  if (found.length === 0) {
    return missing(
      `${hostname} has no address (neither A nor AAAA)`,
      "publish the address records given below",
    );
  }
  const lacking = expected.filter((address) => !found.includes(address));
  if (lacking.length > 0) {
    return wrong(
      `${hostname} is at ${found.join(", ")}, not at ${lacking.join(", ")}`,
      "publish the address records given below",
    );
  }
  const inside = found.filter(isPrivate);
  if (inside.length > 0) {
    return wrong(
      `${inside.join(", ")} of ${hostname} cannot be reached from the Internet`,
      "publish the server's public addresses",
    );
  }
  const foreign = found.filter((address) => expected.length > 0 && !expected.includes(address));
  if (foreign.length > 0) {
    return {
      ...duplicated(
        `${hostname} is at ${foreign.join(", ")} too`,
        "remove the record if that is not this server",
      ),
      isMinor: true,
    };
  }
  if (a.kind !== "found") {
    return warn(
      `${hostname} has IPv6 addresses only: many servers cannot reach it`,
      "publish an A record too",
    );
  }
  return right(`${hostname} is at ${found.join(", ")}`);
}

/** Loopback, link-local, private and shared addresses (RFC 6890 §2.2). */
export function isPrivate(address: string): boolean {
  const ip = parseIp(address);
  if (ip === null) return false;
  const [first, second, third, word] = ip;
  if (address.includes(":")) {
    if ((first >>> 25) === 0xfc >>> 1 || (first >>> 22) === 0xfe80 >>> 6) return true;
    return first === 0 && second === 0 && third === 0 && word <= 1;
  }
  const isIn = (base: number, bits: number) => (word >>> (32 - bits)) === (base >>> (32 - bits));
  return isIn(0x0a000000, 8) || isIn(0x7f000000, 8) || isIn(0xa9fe0000, 16) ||
    isIn(0xac100000, 12) || isIn(0xc0a80000, 16) || isIn(0x64400000, 10) || word === 0;
}
