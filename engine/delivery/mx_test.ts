import assert from "node:assert/strict";
import fc from "fast-check";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { findMailHosts, type MailHostOptions, type MailHosts } from "./mx.ts";

function find(
  destination: string,
  zone: ZoneData,
  options: Partial<MailHostOptions> = {},
): Promise<MailHosts> {
  return findMailHosts(destination, {
    resolver: new ZoneResolver(zone),
    random: () => 0,
    ...options,
  });
}

function mx(...exchanges: readonly (readonly [number, string])[]) {
  return exchanges.map(([preference, exchange]) => ({ preference, exchange }));
}

function names(result: MailHosts): readonly string[] {
  return result.kind === "hosts" ? result.hosts.map((host) => host.name) : [];
}

Deno.test("findMailHosts: hosts by preference, IPv6 and IPv4 in turn (RFC 5321 §5.1)", async () => {
  const result = await find("example", {
    "example": { mx: mx([20, "b.example"], [10, "a.example"]) },
    "a.example": {
      a: ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
      aaaa: ["2001:db8::1", "2001:db8::2"],
    },
    "b.example": { a: ["192.0.2.9"] },
  });
  assert.deepEqual(result, {
    kind: "hosts",
    hosts: [
      {
        name: "a.example",
        preference: 10,
        addresses: ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"],
      },
      { name: "b.example", preference: 20, addresses: ["192.0.2.9"] },
    ],
  });
});

Deno.test("findMailHosts: equal preferences in the order of the lots (RFC 5321 §5.1)", async () => {
  const zone = {
    "example": { mx: mx([10, "a.example"], [10, "b.example"], [5, "c.example"]) },
    "a.example": { a: ["192.0.2.1"] },
    "b.example": { a: ["192.0.2.2"] },
    "c.example": { a: ["192.0.2.3"] },
  };
  const draw = (...lots: number[]) => () => lots.shift() ?? 0;
  const ascending = await find("example", zone, { random: draw(0.1, 0.2, 0.3) });
  assert.deepEqual(names(ascending), ["c.example", "a.example", "b.example"]);
  const descending = await find("example", zone, { random: draw(0.3, 0.2, 0.9) });
  assert.deepEqual(names(descending), ["c.example", "b.example", "a.example"]);
});

Deno.test("findMailHosts: without MX the domain is the host, but not if MX fails", async () => {
  const bare = await find("Example.", { "example": { a: ["192.0.2.1"] } });
  assert.deepEqual(bare, {
    kind: "hosts",
    hosts: [{ name: "example", preference: 0, addresses: ["192.0.2.1"] }],
  });
  const failed = await find("example", { "example": { mx: "servfail", a: ["192.0.2.1"] } });
  assert.deepEqual(failed, { kind: "tempfail", reason: "servfail" });
});

Deno.test("findMailHosts: with an unusable MX the domain's address is no way out", async () => {
  const zone = { "example": { mx: mx([10, "gone.example"]), a: ["192.0.2.1"] } };
  assert.deepEqual(await find("example", zone), { kind: "no_mail_host" });
});

Deno.test("findMailHosts: a null MX (RFC 7505 §3), and one that others annul", async () => {
  assert.deepEqual(await find("example", { "example": { mx: mx([0, "."]) } }), { kind: "null_mx" });
  const mixed = await find("example", {
    "example": { mx: mx([0, "."], [10, "a.example"]) },
    "a.example": { a: ["192.0.2.1"] },
  });
  assert.deepEqual(names(mixed), ["a.example"]);
});

Deno.test("findMailHosts: no such name, and nothing there, are told apart", async () => {
  assert.deepEqual(await find("other.example", { "example": {} }), { kind: "no_such_domain" });
  assert.deepEqual(await find("example", { "example": {} }), { kind: "no_mail_host" });
  assert.deepEqual(await find("", { "example": {} }), { kind: "no_such_domain" });
});

Deno.test("findMailHosts: a failing lookup costs no other host, all failing is tempfail", async () => {
  const zone: ZoneData = {
    "example": { mx: mx([10, "slow.example"], [20, "half.example"], [30, "gone.example"]) },
    "slow.example": { fails: "timeout" },
    "half.example": { a: "servfail", aaaa: ["2001:db8::1"] },
  };
  assert.deepEqual(names(await find("example", zone)), ["half.example"]);
  const worse = { ...zone, "half.example": { a: "servfail" } } as const;
  assert.deepEqual(await find("example", worse), { kind: "tempfail", reason: "timeout" });
});

Deno.test("findMailHosts: an address literal is its own host (RFC 5321 §4.1.3)", async () => {
  for (
    const [literal, address] of [
      ["[192.0.2.1]", "192.0.2.1"],
      ["[IPv6:::1]", "::1"],
      ["[ipv6:2001:db8::1]", "2001:db8::1"],
    ]
  ) {
    const host = { name: literal, preference: 0, addresses: [address] };
    assert.deepEqual(await find(literal, {}), { kind: "hosts", hosts: [host] });
  }
  const faulty = ["[", "[]", "[192.0.2]", "[::1]", "[IPv6:192.0.2.1]", "[IPv6:fe80::1%e0]", "[x]y"];
  for (const literal of faulty) {
    assert.deepEqual(await find(literal, {}), { kind: "no_mail_host" }, literal);
  }
});

Deno.test("findMailHosts: only hosts strictly preferred to ourselves (RFC 5321 §5.1)", async () => {
  const zone: ZoneData = {
    "example": {
      mx: mx([10, "a.example"], [20, "b.example"], [20, "us.example"], [30, "c.example"]),
    },
    "a.example": { a: ["192.0.2.1"] },
    "b.example": { a: ["192.0.2.2"] },
    "us.example": { a: ["192.0.2.99"] },
    "c.example": { a: ["192.0.2.3"] },
  };
  for (
    const isOurs of [
      (name: string) => name === "us.example",
      (_: string, address: string | null) => address === "192.0.2.99",
    ]
  ) {
    assert.deepEqual(names(await find("example", zone, { isOurs })), ["a.example"]);
    const unsure = { ...zone, "a.example": { fails: "timeout" } } as const;
    const tempfail = { kind: "tempfail", reason: "timeout" };
    assert.deepEqual(await find("example", unsure, { isOurs }), tempfail);
    const alone = { ...zone, "a.example": {} };
    assert.deepEqual(await find("example", alone, { isOurs }), { kind: "loops_to_us" });
    // A failure behind ourselves changes nothing: we would not go there.
    const behind = { ...alone, "c.example": { fails: "timeout" } } as const;
    assert.deepEqual(await find("example", behind, { isOurs }), { kind: "loops_to_us" });
    assert.deepEqual(await find("us.example", zone, { isOurs }), { kind: "loops_to_us" });
  }
  const isOurs = (_: string, address: string | null) => address === "192.0.2.1";
  assert.deepEqual(await find("[192.0.2.1]", {}, { isOurs }), { kind: "loops_to_us" });
});

Deno.test("findMailHosts: our own name counts even without an address and past the bound", async () => {
  const zone: Record<string, ZoneData[string]> = {};
  const exchanges = Array.from({ length: 12 }, (_, i) => [5, `h${i}.example`] as const);
  for (const [, name] of exchanges) zone[name] = { a: ["192.0.2.1"] };
  zone["example"] = { mx: mx(...exchanges, [5, "us.example"]) };
  const isOurs = (name: string) => name === "us.example";
  assert.deepEqual(await find("example", zone, { isOurs }), { kind: "loops_to_us" });
});

Deno.test("findMailHosts: at most 10 hosts and 20 addresses, each host keeping some", async () => {
  const many = (count: number, start: number) =>
    Array.from({ length: count }, (_, i) => `192.0.${start}.${i}`);
  const zone: Record<string, ZoneData[string]> = {};
  const exchanges: [number, string][] = [];
  for (let i = 0; i < 15; i++) {
    exchanges.push([i, `h${i}.example`]);
    zone[`h${i}.example`] = { a: many(i === 0 ? 100 : 1, i) };
  }
  zone["example"] = { mx: mx(...exchanges) };
  const result = await find("example", zone);
  assert.ok(result.kind === "hosts");
  assert.deepEqual(result.hosts.map((host) => host.addresses.length), [11, ...Array(9).fill(1)]);
});

Deno.test("findMailHosts: hosts are ordered, unique and never without address", async () => {
  const host = fc.constantFrom("a.example", "b.example", "c.example", "gone.example");
  const records = fc.array(fc.record({ preference: fc.nat(3), exchange: host }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(
      records,
      fc.array(fc.double({ min: 0, max: 0.99, noNaN: true })),
      async (mx, lots) => {
        const result = await find("example", {
          "example": { mx },
          "a.example": { a: ["192.0.2.1"] },
          "b.example": { aaaa: ["2001:db8::1"] },
          "c.example": { a: ["192.0.2.1"], aaaa: "timeout" },
        }, { random: () => lots.pop() ?? 0.5 });
        const usable = new Set(mx.map((r) => r.exchange).filter((name) => name !== "gone.example"));
        assert.deepEqual(new Set(names(result)), usable);
        if (result.kind !== "hosts") return assert.equal(result.kind, "no_mail_host");
        assert.equal(names(result).length, usable.size);
        const preferences = result.hosts.map((host) => host.preference);
        assert.deepEqual(preferences, preferences.toSorted((a, b) => a - b));
        assert.ok(result.hosts.every((host) => host.addresses.length > 0));
      },
    ),
  );
});
