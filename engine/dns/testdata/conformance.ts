/** One zone, as data and as a zone file, and what any resolver over it answers. */
import assert from "node:assert/strict";
import type { Resolver } from "../resolver.ts";
import type { ZoneData } from "../zone_resolver.ts";

const CERTIFICATE = "ab".repeat(32);
const LONG_TEXT = "p".repeat(3000);

export const ORIGINS = ["example.org", "example.net"] as const;

/** The zones as `ZoneResolver` takes them. */
export const ZONE_DATA: ZoneData = {
  "example.org": {
    ttlS: 60,
    mx: [{ preference: 10, exchange: "mx.example.org." }, {
      preference: 20,
      exchange: "MX2.example.org",
    }],
    txt: ["v=spf1 mx -all", LONG_TEXT],
  },
  "mx.example.org": { ttlS: 60, a: ["192.0.2.1"], aaaa: ["2001:db8:0:0:1:0:0:1"] },
  "null.example.org": { ttlS: 60, mx: [{ preference: 0, exchange: "." }] },
  "www.example.org": { ttlS: 60, cname: "host.example.org" },
  "host.example.org": { ttlS: 60, a: ["192.0.2.2", "192.0.2.3"] },
  "away.example.org": { ttlS: 60, cname: "host.example.net" },
  "lost.example.org": { ttlS: 60, cname: "missing.example.net" },
  "loop1.example.org": { ttlS: 60, cname: "loop2.example.org" },
  "loop2.example.org": { ttlS: 60, cname: "loop1.example.org" },
  "ptr.example.org": { ttlS: 60, ptr: ["host.example.org"] },
  "_submission._tcp.example.org": {
    ttlS: 60,
    srv: [{ priority: 0, weight: 1, port: 587, target: "MX.example.org." }],
  },
  "_pop3._tcp.example.org": {
    ttlS: 60,
    srv: [{ priority: 0, weight: 0, port: 0, target: "." }],
  },
  "_25._tcp.mx.example.org": {
    ttlS: 60,
    tlsa: [{ usage: 3, selector: 1, matchingType: 1, certificate: CERTIFICATE }],
  },
  "host.example.net": { ttlS: 30, a: ["198.51.100.1"] },
};

/** The same as a zone file (RFC 1035 §5). */
export function zoneFile(origin: string): string {
  const lines = [
    `$ORIGIN ${origin}.`,
    "$TTL 60",
    "@ SOA ns hostmaster 1 3600 600 86400 5",
    "@ NS ns",
    "ns A 127.0.0.1",
  ];
  for (const [name, records] of Object.entries(ZONE_DATA)) {
    if (name !== origin && !name.endsWith(`.${origin}`)) continue;
    const add = (type: string, data: string) =>
      lines.push(`${name}. ${records.ttlS} ${type} ${data}`);
    const { a = [], aaaa = [], mx = [], txt = [], ptr = [], srv = [], tlsa = [], cname } = records;
    for (const address of a) add("A", address);
    for (const address of aaaa) add("AAAA", address);
    if (cname !== undefined) add("CNAME", `${cname}.`);
    for (const host of ptr) add("PTR", `${host}.`);
    if (typeof mx !== "string") {
      for (const { preference, exchange } of mx) {
        add("MX", `${preference} ${exchange.replace(/\.$/, "")}.`);
      }
    }
    for (const text of txt) {
      add("TXT", text.match(/.{1,255}/g)?.map((part) => `"${part}"`).join(" ") ?? '""');
    }
    if (typeof srv !== "string") {
      for (const { priority, weight, port, target } of srv) {
        add("SRV", `${priority} ${weight} ${port} ${target.replace(/\.$/, "")}.`);
      }
    }
    if (typeof tlsa !== "string") {
      for (const { usage, selector, matchingType, certificate } of tlsa) {
        add("TLSA", `${usage} ${selector} ${matchingType} ${certificate}`);
      }
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Asks a resolver over the zones everything a caller relies on. */
export async function assertConforms(resolver: Resolver): Promise<void> {
  const found = (records: unknown[], ttlS = 60) => (
    { kind: "found", records, ttlS, authenticated: false }
  );
  const mx = await resolver.mx("EXAMPLE.org.");
  assert.deepEqual(
    mx.kind === "found" && mx.records.toSorted((a, b) => a.preference - b.preference),
    [
      { preference: 10, exchange: "mx.example.org" },
      { preference: 20, exchange: "mx2.example.org" },
    ],
  );
  const txt = await resolver.txt("example.org");
  assert.deepEqual(txt.kind === "found" && txt.records.toSorted(), [LONG_TEXT, "v=spf1 mx -all"]);
  assert.deepEqual(await resolver.a("mx.example.org"), found(["192.0.2.1"]));
  assert.deepEqual(await resolver.aaaa("mx.example.org"), found(["2001:db8::1:0:0:1"]));
  const nullMx = await resolver.mx("null.example.org");
  assert.deepEqual(nullMx, found([{ preference: 0, exchange: "." }]));
  const hosts = await resolver.a("www.example.org");
  assert.deepEqual(hosts.kind === "found" && hosts.records.toSorted(), ["192.0.2.2", "192.0.2.3"]);
  assert.deepEqual(await resolver.cname("www.example.org"), found(["host.example.org"]));
  assert.deepEqual(await resolver.a("away.example.org"), found(["198.51.100.1"], 30));
  assert.deepEqual(await resolver.ptr("ptr.example.org"), found(["host.example.org"]));
  assert.deepEqual(
    await resolver.srv("_submission._tcp.example.org"),
    found([{ priority: 0, weight: 1, port: 587, target: "mx.example.org" }]),
  );
  assert.deepEqual(
    await resolver.srv("_pop3._tcp.example.org"),
    found([{ priority: 0, weight: 0, port: 0, target: "." }]),
  );
  assert.deepEqual(
    await resolver.tlsa("_25._tcp.mx.example.org"),
    found([{
      usage: 3,
      selector: 1,
      matchingType: 1,
      certificate: Uint8Array.fromHex(CERTIFICATE),
    }]),
  );
  assert.deepEqual(await resolver.a("lost.example.org"), { kind: "nxdomain" });
  assert.deepEqual(await resolver.a("missing.example.org"), { kind: "nxdomain" });
  assert.deepEqual(await resolver.cname("missing.example.org"), { kind: "nxdomain" });
  assert.deepEqual(await resolver.aaaa("host.example.org"), { kind: "nodata" });
  assert.deepEqual(await resolver.mx("www.example.org"), { kind: "nodata" });
  assert.deepEqual(await resolver.cname("host.example.org"), { kind: "nodata" });
  assert.deepEqual(await resolver.a("_tcp.mx.example.org"), { kind: "nodata" });
  assert.deepEqual(await resolver.a("loop1.example.org"), {
    kind: "tempfail",
    reason: "cname_loop",
  });
}
