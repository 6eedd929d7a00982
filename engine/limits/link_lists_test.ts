import assert from "node:assert/strict";
import fc from "fast-check";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { parseDnsLists } from "./dns_list_zones.ts";
import { linkSubjects, lookUpLinks } from "./link_lists.ts";
import { ListHealth } from "./list_health.ts";

function labels(hosts: readonly string[], max = 20): string[] {
  return linkSubjects(hosts, max).map((subject) => subject.labels);
}

Deno.test("linkSubjects: organisational domains, each once, those of shared hosting by their own name", () => {
  assert.deepEqual(labels(["www.a.example.co.uk", "b.example.co.uk", "example.org"]), [
    "example.co.uk",
    "example.org",
  ]);
  assert.deepEqual(labels(["deep.shop.github.io"]), ["shop.github.io"]);
  assert.deepEqual(labels(["github.io"]), ["github.io"], "the host of others, named itself");
  assert.deepEqual(labels(["www.xn--bcher-kva.example"]), ["xn--bcher-kva.example"]);
  assert.deepEqual(labels(["my_shop.example.com"]), ["example.com"]);
});

Deno.test("linkSubjects: IPv4 addresses reversed; IPv6 ones, public suffixes and what is no host not at all", () => {
  assert.deepEqual(labels(["192.0.2.7", "[192.0.2.8]", "[IPv6:::ffff:192.0.2.9]"]), [
    "7.2.0.192",
    "8.2.0.192",
    "9.2.0.192",
  ]);
  assert.deepEqual(
    labels(["[2001:db8::1]", "2001:db8::1", "co.uk", "localhost", "", "a b.example"]),
    [],
  );
});

Deno.test("linkSubjects: bounded, those named first", () => {
  const hosts = Array.from({ length: 100 }, (_, at) => `s${at}.example`);
  assert.deepEqual(labels(hosts, 20), hosts.slice(0, 20));
});

Deno.test("linkSubjects: no host throws", () => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.domain(), fc.ipV6())), (hosts) => {
    assert.ok(linkSubjects(hosts, 5).length <= 5);
  }));
});

Deno.test("lookUpLinks: hits name the domain asked about", async () => {
  const read = parseDnsLists("multi.example=127.0.0.[2;8]*4,dbl.example=127.0.1.[2..99]*5");
  assert.ok(read.kind === "lists");
  const { lists } = read;
  const hits = await lookUpLinks(["www.bad.com", "good.com", "192.0.2.7"], {
    lists,
    resolver: new ZoneResolver({
      "bad.com.multi.example": { a: ["127.0.0.8"] },
      "7.2.0.192.multi.example": { a: ["127.0.0.2"] },
      "bad.com.dbl.example": { a: ["127.0.1.2"] },
      "7.2.0.192.dbl.example": { a: ["127.0.1.255"] },
    }),
    deadlineMs: 1000,
    health: new ListHealth({ lists, now: () => 0 }),
    maxDomains: 20,
  });
  assert.deepEqual(hits, [
    { zone: "multi.example", value: "127.0.0.8", weight: 4, subject: "bad.com" },
    { zone: "multi.example", value: "127.0.0.2", weight: 4, subject: "192.0.2.7" },
    { zone: "dbl.example", value: "127.0.1.2", weight: 5, subject: "bad.com" },
  ]);
});
