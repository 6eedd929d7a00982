/**
 * Where mail for a destination goes next: its own hosts, the smarthost that takes everything, or an LMTP
 * server that fills mailboxes of ours (RFC 2033).
 */
import type { Resolver, TempfailReason } from "../dns/resolver.ts";
import { findMailHosts, type MailHosts } from "./mx.ts";
import type { Opened, OpenRequest } from "./node_smtp_opener.ts";
import { type AttemptOutcome, deferred, outcomeWithoutHost } from "./outcome.ts";

export interface Smarthost {
  /** Name or IP address. */
  readonly host: string;
  readonly port: number;
  /** TLS from the first octet on. */
  readonly isSecure: boolean;
  readonly credentials: { readonly user: string; readonly password: string } | null;
}

export type NextHop =
  | { readonly kind: "mx"; readonly domain: string; readonly port: number }
  | { readonly kind: "smarthost"; readonly smarthost: Smarthost }
  /** `address`: the path of a unix socket, or `host:port`. */
  | { readonly kind: "lmtp"; readonly address: string };

/** The host a session was opened to. */
export interface Peer {
  readonly mxHost: string;
  readonly address: string;
  readonly tls: boolean;
}

export type OpenedNextHop =
  | {
    readonly kind: "open";
    readonly opened: Extract<Opened, { kind: "open" }>;
    readonly peer: Peer;
  }
  | { readonly kind: "unreachable"; readonly outcome: AttemptOutcome; readonly peer: Peer | null };

export interface OpenNextHopOptions {
  readonly resolver: Resolver;
  readonly random: () => number;
  readonly now: () => number;
  readonly isOurs: (name: string, address: string | null) => boolean;
  readonly open: (request: OpenRequest) => Promise<Opened>;
}

/** After this long no further address is tried. */
const PATIENCE_MS = 120_000;

/** What sessions are pooled by. */
export function nextHopKey(nextHop: NextHop): string {
  switch (nextHop.kind) {
    case "mx":
      return `${nextHop.domain}:${nextHop.port}`;
    case "smarthost":
      return "smarthost";
    case "lmtp":
      return `lmtp ${nextHop.address}`;
  }
}

/** Opens a session to the first host that takes one, in the order of RFC 5321 §5.1. */
export async function openNextHop(
  nextHop: NextHop,
  options: OpenNextHopOptions,
): Promise<OpenedNextHop> {
  if (nextHop.kind === "lmtp") return await openLmtp(nextHop.address, options);
  const hosts = nextHop.kind === "mx"
    ? await findMailHosts(nextHop.domain, options)
    : await findSmarthost(nextHop.smarthost, options.resolver);
  if (hosts.kind !== "hosts") {
    const name = nextHop.kind === "mx" ? nextHop.domain : nextHop.smarthost.host;
    const outcome = outcomeWithoutHost(hosts, name);
    // A smarthost that cannot be found is the operator's mistake, and no reason to return mail.
    const isOurs = nextHop.kind === "smarthost" && outcome.kind === "failed";
    return {
      kind: "unreachable",
      outcome: isOurs ? deferred("4.4", outcome.diagnostic) : outcome,
      peer: null,
    };
  }
  const giveUpAtMs = options.now() + PATIENCE_MS;
  let last: Extract<OpenedNextHop, { kind: "unreachable" }> | null = null;
  for (const { name, addresses } of hosts.hosts) {
    for (const address of addresses) {
      if (last !== null && options.now() >= giveUpAtMs) return last;
      const answer = await openAt({ name, address }, nextHop, options);
      if (answer.kind === "open") return answer;
      last = answer;
    }
  }
  return last ?? { kind: "unreachable", outcome: deferred("4.4", "no host to try"), peer: null };
}

async function openLmtp(
  address: string,
  { open }: Pick<OpenNextHopOptions, "open">,
): Promise<OpenedNextHop> {
  const isPath = address.startsWith("/");
  const [, host, port] = /^(.*):(\d+)$/.exec(address) ?? [];
  const name = isPath ? address : host?.replace(/^\[(.*)\]$/, "$1") ?? address;
  const request = {
    protocol: "lmtp",
    address: name,
    port: Number(port ?? 0),
    hostName: name,
    credentials: null,
  } as const;
  const opened = isPath
    ? await open({ ...request, security: "plain" })
    : await openOpportunistic(request, open);
  const peer = { mxHost: name, address: name, tls: false };
  if (opened.kind === "unusable") return { kind: "unreachable", outcome: opened.outcome, peer };
  return { kind: "open", opened, peer: { ...peer, tls: opened.isSecure } };
}

async function openAt(
  host: { readonly name: string; readonly address: string },
  nextHop: Exclude<NextHop, { kind: "lmtp" }>,
  options: OpenNextHopOptions,
): Promise<OpenedNextHop> {
  const relay = nextHop.kind === "smarthost" ? nextHop.smarthost : null;
  const request = {
    protocol: "smtp",
    address: host.address,
    port: nextHop.kind === "mx" ? nextHop.port : nextHop.smarthost.port,
    hostName: host.name,
    credentials: relay?.credentials ?? null,
  } as const;
  // A smarthost's password is not said in clear.
  const opened = relay === null
    ? await openOpportunistic(request, options.open)
    : await options.open({ ...request, security: relay.isSecure ? "implicit" : "opportunistic" });
  const peer = { mxHost: host.name, address: host.address, tls: false };
  if (opened.kind === "unusable") return { kind: "unreachable", outcome: opened.outcome, peer };
  return { kind: "open", opened, peer: { ...peer, tls: opened.isSecure } };
}

/** RFC 7435: a handshake that fails is worth no less than a server without TLS. */
async function openOpportunistic(
  request: Omit<OpenRequest, "security">,
  open: OpenNextHopOptions["open"],
): Promise<Opened> {
  const opened = await open({ ...request, security: "opportunistic" });
  const isBroken = opened.kind === "unusable" && opened.inTls;
  return isBroken ? await open({ ...request, security: "plain" }) : opened;
}

async function findSmarthost(smarthost: Smarthost, resolver: Resolver): Promise<MailHosts> {
  const { host } = smarthost;
  if (/^[0-9.]+$/.test(host) || host.includes(":")) {
    return { kind: "hosts", hosts: [{ name: host, preference: 0, addresses: [host] }] };
  }
  const answers = await Promise.all([resolver.aaaa(host), resolver.a(host)]);
  const addresses = answers.flatMap((answer) => answer.kind === "found" ? [...answer.records] : []);
  if (addresses.length > 0) {
    return { kind: "hosts", hosts: [{ name: host, preference: 0, addresses }] };
  }
  const reason: TempfailReason | undefined = answers.map((answer) =>
    answer.kind === "tempfail" ? answer.reason : undefined
  ).find((reason) => reason !== undefined);
  return reason === undefined ? { kind: "no_mail_host" } : { kind: "tempfail", reason };
}
