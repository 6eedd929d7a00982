/** Domains whose DNS is right but for one thing, and what the doctor must say of it. */
import { dkimRecord } from "../../auth/dkim_key.ts";
import { reverseName } from "../../dns/name.ts";
import type { SrvRecord } from "../../dns/resolver.ts";
import type { ZoneData, ZoneName } from "../../dns/zone_resolver.ts";
import type { Verdict } from "../finding.ts";
import type { DomainFacts, PublishedKey } from "../records.ts";
import { txtValue } from "../records.ts";

type Changes = Readonly<Record<string, ZoneName>>;

interface CaseDomain {
  readonly domain: string;
  readonly host: string;
  readonly address: string;
}

export interface DoctorCase {
  readonly name: string;
  /** Names of the zone to hold something else; `{}` holds nothing. */
  readonly change: (at: CaseDomain) => Changes;
  readonly subject: string;
  readonly verdict: Verdict;
  readonly reason: RegExp;
  /** Given to the doctor; unless told, it finds the addresses itself. */
  readonly addresses?: (at: CaseDomain) => readonly string[];
}

export const RSA_KEY: PublishedKey = {
  selector: "s1",
  algorithm: "rsa-sha256",
  publicKey: btoa("r".repeat(294)),
  state: "active",
};
export const NEXT_KEY: PublishedKey = {
  selector: "s2",
  algorithm: "ed25519-sha256",
  publicKey: btoa("e".repeat(32)),
  state: "waiting",
};
const OTHER_KEY = { ...RSA_KEY, publicKey: btoa("o".repeat(294)) };

const txt = (...records: string[]): ZoneName => ({ txt: records });
const mx = (...hosts: string[]): ZoneName => ({
  mx: hosts.map((exchange, at) => ({ preference: 10 * (at + 1), exchange })),
});

const srv = (...records: (readonly [port: number, target: string])[]): ZoneName => ({
  srv: records.map(([port, target]): SrvRecord => ({ priority: 0, weight: 1, port, target })),
});

/** A change of what stands at the domain itself, where MX and SPF share a name. */
function apex(at: CaseDomain, change: ZoneName): Changes {
  return { [at.domain]: { ...rightZone(at)[at.domain], ...change } };
}

function rightZone({ domain, host, address }: CaseDomain): Record<string, ZoneName> {
  return {
    [domain]: { ...mx(host), ...txt(`v=spf1 a:${host} -all`, "other=text") },
    [host]: { a: [address] },
    [`s1._domainkey.${domain}`]: txt(dkimRecord(RSA_KEY)),
    [`s2._domainkey.${domain}`]: txt(dkimRecord(NEXT_KEY)),
    [`_dmarc.${domain}`]: txt(`v=DMARC1; p=reject; rua=mailto:postmaster@${domain}`),
    [`_mta-sts.${domain}`]: txt("v=STSv1; id=20261119T1;"),
    [`mta-sts.${domain}`]: { a: [address] },
    [`_smtp._tls.${domain}`]: txt(`v=TLSRPTv1; rua=mailto:postmaster@${domain}`),
    [`_submissions._tcp.${domain}`]: srv([465, host]),
    [`_submission._tcp.${domain}`]: srv([587, host]),
    [`autoconfig.${domain}`]: { cname: host },
    [reverseName(address) ?? ""]: { ptr: [host] },
  };
}

const DKIM = "DKIM s1 (rsa-sha256, active)";
const NEXT_DKIM = "DKIM s2 (ed25519-sha256, waiting)";

export const CASES: readonly DoctorCase[] = [
  ...table("MX", (at) => (zone) => apex(at, zone), [
    ["missing", () => ({ mx: [] }), "missing", /has no MX record/],
    [
      "elsewhere",
      () => mx("mx.elsewhere.example"),
      "wrong",
      /leads to mx\.elsewhere\.example, not/,
    ],
    ["null", () => ({ mx: [{ preference: 0, exchange: "." }] }), "wrong", /null MX.*takes no mail/],
    ["an address", ({ address }) => mx(address), "wrong", /IP address 192\.0\.2\.\d+/],
    ["twice", ({ host }) => mx(host, host), "duplicated", /2 times \(preferences 10, 20\)/],
    ["shared", ({ host, domain }) => mx(host, `b.${domain}`), "warn", /and to b\..* too/],
  ]),
  {
    name: "MX to an alias",
    change: ({ host, domain }) => ({ [host]: { cname: `mta-sts.${domain}` } }),
    subject: "MX",
    verdict: "wrong",
    reason: /is an alias \(CNAME\) of mta-sts\./,
  },
  ...table("A/AAAA", ({ host }) => (zone) => ({ [host]: zone }), [
    ["missing", () => ({}), "missing", /has no address/],
    ["inside", () => ({ a: ["10.1.2.3"] }), "wrong", /10\.1\.2\.3 .* cannot be reached/],
    ["IPv6 only", () => ({ aaaa: ["2001:db8::7"] }), "warn", /IPv6 addresses only/],
  ]),
  {
    name: "A elsewhere",
    change: ({ host }) => ({ [host]: { a: ["192.0.2.250"] } }),
    subject: "A/AAAA",
    verdict: "wrong",
    reason: /is at 192\.0\.2\.250, not at 192\.0\.2\./,
    addresses: ({ address }) => [address],
  },
  {
    name: "A twice",
    change: ({ host, address }) => ({ [host]: { a: [address, "192.0.2.251"] } }),
    subject: "A/AAAA",
    verdict: "duplicated",
    reason: /is at 192\.0\.2\.251 too/,
    addresses: ({ address }) => [address],
  },
  ...table("SPF", (at) => (zone) => apex(at, zone), [
    ["missing", () => txt("other=text"), "missing", /none for SPF/],
    ["without TXT", () => ({ txt: [] }), "missing", /has no SPF record/],
    ["without us", () => txt("v=spf1 ip4:198.51.100.1 -all"), "wrong", /not allow.*\(fail\)/],
    ["for all", () => txt("v=spf1 +all"), "wrong", /\+all lets anybody send/],
    ["for all networks", () => txt("v=spf1 ip4:0.0.0.0/0 -all"), "wrong", /anybody.*240\.0\.0\.1/],
    ["without an end", ({ host }) => txt(`v=spf1 a:${host}`), "warn", /no all, or \?all/],
    ["broken", () => txt("v=spf1 ipv4:192.0.2.1 -all"), "wrong", /cannot be evaluated/],
    [
      "twice",
      ({ host }) => txt(`v=spf1 a:${host} -all`, "v=spf1 mx -all"),
      "duplicated",
      /2 SPF records/,
    ],
    [
      "of eleven look-ups",
      ({ host }) => txt(`v=spf1 ${`a:${host}/31 `.repeat(11)}-all`),
      "wrong",
      /more than 10 DNS look-ups/,
    ],
    [
      "of names that are gone",
      ({ host, domain }) => txt(`v=spf1 a:${host} a:x.${domain} a:y.${domain} a:z.${domain} -all`),
      "wrong",
      /more than 2 names that do not exist/,
    ],
  ]),
  ...table(DKIM, ({ domain }) => (zone) => ({ [`s1._domainkey.${domain}`]: zone }), [
    ["missing", () => ({}), "missing", /s1\._domainkey/],
    ["not a key", () => txt("hello"), "missing", /no DKIM record/],
    ["another key", () => txt(dkimRecord(OTHER_KEY)), "wrong", /another key than the one/],
    ["another algorithm", () => txt(dkimRecord(NEXT_KEY)), "wrong", /a key for ed25519-sha256/],
    ["broken", () => txt("v=DKIM1; k=rsa; p=not*base64"), "wrong", /p= is not base64/],
    ["revoked", () => txt("v=DKIM1; k=rsa; p="), "wrong", /revoked/],
    ["twice", () => txt(dkimRecord(RSA_KEY), dkimRecord(OTHER_KEY)), "duplicated", /2 DKIM rec/],
    ["testing", () => txt(`${dkimRecord(RSA_KEY)}; t=y`), "warn", /t=y/],
  ]),
  ...table(NEXT_DKIM, ({ domain }) => (zone) => ({ [`s2._domainkey.${domain}`]: zone }), [
    ["missing", () => ({}), "missing", /s2\._domainkey/],
  ]),
  ...table("DMARC", ({ domain }) => (zone) => ({ [`_dmarc.${domain}`]: zone }), [
    ["missing", () => ({}), "missing", /no DMARC record|has no DMARC/],
    ["without a policy", () => txt("v=DMARC1; adkim=s"), "wrong", /p= is missing/],
    ["of another version", () => txt("v=DMARC2; p=none"), "missing", /is no DMARC record/],
    ["twice", () => txt("v=DMARC1; p=none", "v=DMARC1; p=reject"), "duplicated", /2 DMARC rec/],
    ["none", () => txt("v=DMARC1; p=none"), "warn", /p=none asks receivers for nothing/],
    ["testing", () => txt("v=DMARC1; p=reject; t=y"), "warn", /t=y/],
    ["odd", () => txt("v=DMARC1; p=reject; sp=maybe"), "warn", /sp=maybe means nothing/],
  ]),
  ...table("MTA-STS", ({ domain }) => (zone) => ({ [`_mta-sts.${domain}`]: zone }), [
    ["missing", () => ({}), "missing", /_mta-sts/],
    ["without id", () => txt("v=STSv1;"), "wrong", /id= is missing/],
    ["twice", () => txt("v=STSv1; id=1", "v=STSv1; id=2"), "duplicated", /2 MTA-STS records/],
  ]),
  ...table("MTA-STS", ({ domain }) => (zone) => ({ [`mta-sts.${domain}`]: zone }), [
    ["without a host", () => ({}), "wrong", /mta-sts\..* has no address to fetch it from/],
  ]),
  ...table("TLS-RPT", ({ domain }) => (zone) => ({ [`_smtp._tls.${domain}`]: zone }), [
    ["missing", () => ({}), "missing", /_smtp\._tls/],
    ["without rua", () => txt("v=TLSRPTv1;"), "wrong", /rua= is missing/],
    [
      "twice",
      () => txt("v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"),
      "duplicated",
      /2 TLS-RPT records/,
    ],
  ]),
  ...table("SRV _submissions.", ({ domain }) => (zone) => ({
    [`_submissions._tcp.${domain}`]: zone,
  }), [
    ["missing", () => ({}), "missing", /no SRV record|has no SRV/],
    [
      "elsewhere",
      ({ domain }) => srv([465, `b.${domain}`]),
      "wrong",
      /leads to b\..*, not to mail/,
    ],
    ["of another port", ({ host }) => srv([587, host]), "wrong", /to port 587 of .*, not to 465$/],
    ["none", () => srv([0, "."]), "wrong", /no such service/],
    ["twice", ({ host }) => srv([465, host], [4650, host]), "duplicated", /2 times \(ports/],
    [
      "shared",
      ({ host, domain }) => srv([465, host], [465, `b.${domain}`]),
      "warn",
      /and to b\..* too/,
    ],
  ]),
  ...table(
    "SRV _submission.",
    ({ domain }) => (zone) => ({ [`_submission._tcp.${domain}`]: zone }),
    [
      ["missing", () => ({}), "missing", /no SRV record|has no SRV/],
      ["of another port", ({ host }) => srv([25, host]), "wrong", /to port 25 of .*, not to 587$/],
    ],
  ),
  ...table("autoconfig", ({ domain }) => (zone) => ({ [`autoconfig.${domain}`]: zone }), [
    ["missing", () => ({}), "missing", /neither an alias nor an address/],
    [
      "at our address",
      ({ address }) => ({ a: [address] }),
      "right",
      /leads to 192\.0\.2\.\d+, as mail\./,
    ],
    ["by another alias", ({ domain }) => ({ cname: `mta-sts.${domain}` }), "right", /mta-sts\./],
    ["elsewhere", () => ({ a: ["192.0.2.252"] }), "wrong", /192\.0\.2\.252, not to mail\./],
    ["nowhere", ({ domain }) => ({ cname: `no.${domain}` }), "wrong", /no\..* has no address/],
    [
      "twice",
      ({ address }) => ({ a: [address, "192.0.2.252"] }),
      "duplicated",
      /to 192\.0\.2\.252 too/,
    ],
  ]),
  ...table("PTR", ({ address }) => (zone) => ({ [reverseName(address) ?? ""]: zone }), [
    ["missing", () => ({}), "missing", /no PTR record/],
    ["unconfirmed", ({ domain }) => ({ ptr: [`none.${domain}`] }), "wrong", /does not lead back/],
    ["another name", ({ domain }) => ({ ptr: [`mta-sts.${domain}`] }), "warn", /calls itself/],
    ["twice", ({ host, domain }) => ({ ptr: [`z.${domain}`, host] }), "duplicated", /2 names/],
  ]),
];

type Row = readonly [
  name: string,
  zone: (at: CaseDomain) => ZoneName,
  verdict: Verdict,
  reason: RegExp,
];

function table(
  subject: string,
  place: (at: CaseDomain) => (zone: ZoneName) => Changes,
  rows: readonly Row[],
): readonly DoctorCase[] {
  return rows.map(([name, zone, verdict, reason]) => ({
    name: `${subject} ${name}`,
    change: (at) => place(at)(zone(at)),
    subject,
    verdict,
    reason,
  }));
}

/** Where a case lives; the domain that is all right is at index -1. */
export function caseDomain(index: number): CaseDomain {
  const domain = `case${index + 2}.example`;
  return { domain, host: `mail.${domain}`, address: `192.0.2.${index + 2}` };
}

export function caseFacts(index: number): DomainFacts {
  const at = caseDomain(index);
  return {
    domain: at.domain,
    hostname: at.host,
    addresses: CASES[index]?.addresses?.(at) ?? [],
    keys: [RSA_KEY, NEXT_KEY],
    ports: { submission: 587, smtps: 465 },
    policyId: "20261119000000",
  };
}

/** All of them in one. */
export function caseZones(): ZoneData {
  const zones = [-1, ...CASES.keys()].map((index) => {
    const at = caseDomain(index);
    return { ...rightZone(at), ...CASES[index]?.change(at) };
  });
  return Object.assign({}, ...zones);
}

/** The zones that hold them, as an authoritative server takes them. */
export function zoneFiles(data: ZoneData): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [name, zone] of Object.entries(data)) {
    const origin = name.split(".").slice(name.endsWith(".arpa") ? -5 : -2).join(".");
    const lines = [
      ...strings(zone.a).map((address) => `A ${address}`),
      ...strings(zone.aaaa).map((address) => `AAAA ${address}`),
      ...strings(zone.txt).map((text) => `TXT ${txtValue(text)}`),
      ...strings(zone.ptr).map((host) => `PTR ${host}.`),
      ...(Array.isArray(zone.srv) ? zone.srv : []).map(({ priority, weight, port, target }) =>
        `SRV ${priority} ${weight} ${port} ${target === "." ? "." : `${target}.`}`
      ),
      ...(zone.cname === undefined ? [] : [`CNAME ${zone.cname}.`]),
      ...(Array.isArray(zone.mx) ? zone.mx : []).map(({ preference, exchange }) =>
        `MX ${preference} ${exchange === "." ? "." : `${exchange}.`}`
      ),
    ].map((record) => `${name}. 60 IN ${record}\n`);
    const before = files.get(origin) ??
      `${origin}. 60 IN SOA ns.invalid. root.invalid. 1 60 60 60 60\n` +
        `${origin}. 60 IN NS ns.invalid.\n`;
    files.set(origin, before + lines.join(""));
  }
  return files;
}

function strings(records: readonly string[] | string | undefined): readonly string[] {
  return Array.isArray(records) ? records : [];
}
