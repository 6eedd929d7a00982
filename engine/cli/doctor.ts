/** `doctor` */
import { examineDns } from "../doctor/examine.ts";
import { examineListeners, listenersOf, type Probe } from "../doctor/reachability.ts";
import { hasFailures, reportJson, reportText } from "../doctor/report.ts";
import { examineStores } from "../doctor/system.ts";
import { normalizeDomain } from "../mail/domain.ts";
import { formatIp, parseIp } from "../mail/ip_address.ts";
import { noSuchDomain } from "./address.ts";
import { type Command, type CommandInput, onlyWord, optionOf, UsageError } from "./command.ts";
import { domainOf } from "./domain.ts";

/** What the root lends the doctor. */
export interface DoctorOutside {
  readonly probe: Probe;
  readonly now: () => number;
  /** Standard output is a terminal that shows colours. */
  readonly isColoured: () => boolean;
}

const STORE_TIMEOUT_MS = 5_000;
const MAX_ADDRESSES = 16;

export function doctorCommands(outside: DoctorOutside): readonly Command[] {
  return [
    {
      noun: "doctor",
      verb: "",
      usage: "<domain> [--address <public addresses>]",
      summary:
        "Say which DNS records a mail domain needs and whether they are there; look at ports, certificate, clock and stores too.",
      example: "doctor example.org --address 192.0.2.1,2001:db8::1",
      options: { address: { type: "string" } },
      prepare: (input) => {
        const domain = domainOf(onlyWord(input, "the domain"));
        const addresses = addressesOf(input);
        return async ({ directory, signingKeys, resolver, probes, settings }) => {
          if (await directory.domain(domain) === null) return noSuchDomain(domain);
          const nowMs = outside.now();
          const hostname = normalizeDomain(settings.hostname) ?? settings.hostname.toLowerCase();
          const facts = {
            domain,
            hostname,
            addresses,
            keys: await signingKeys.keys(domain),
            ports: settings.ports,
            policyId: new Date(nowMs).toISOString().slice(0, 19).replace(/\D/g, ""),
          };
          const [dns, ports, system] = await Promise.all([
            examineDns(facts, resolver),
            examineListeners(listenersOf(settings), { hostname, probe: outside.probe, nowMs }),
            examineStores(probes, {
              nowMs: outside.now,
              timeoutMs: STORE_TIMEOUT_MS,
            }),
          ]);
          const report = {
            domain,
            records: dns.records,
            checks: [...dns.checks, ...ports, ...system],
          };
          return {
            kind: hasFailures(report) ? "faults" : "done",
            text: reportText(report, { isColoured: outside.isColoured() }),
            json: reportJson(report),
          };
        };
      },
    },
  ];
}

/** @throws {UsageError} */
function addressesOf(input: CommandInput): readonly string[] {
  const text = optionOf(input, "address");
  if (text === null) return [];
  const addresses = text.split(",").map((part) => {
    const ip = parseIp(part.trim());
    if (ip === null) throw new UsageError(`--address: not an IP address: ${part.trim()}`);
    return formatIp(ip);
  });
  if (addresses.length > MAX_ADDRESSES) {
    throw new UsageError(`--address takes at most ${MAX_ADDRESSES} addresses`);
  }
  return [...new Set(addresses)];
}
