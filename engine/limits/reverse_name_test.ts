import assert from "node:assert/strict";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { confirmReverseName } from "./reverse_name.ts";

const V6_NAME = `1.${"0.".repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`;
const V4_NAME = "1.2.0.192.in-addr.arpa";

for (
  const [title, address, zone, expected] of [
    ["leads back", "192.0.2.1", {
      [V4_NAME]: { ptr: ["MX.example"] },
      "mx.example": { a: ["198.51.100.1", "192.0.2.1"] },
    }, ["pass", "mx.example"]],
    ["leads back, the client mapped into IPv6", "::ffff:192.0.2.1", {
      [V4_NAME]: { ptr: ["mx.example"] },
      "mx.example": { a: ["192.0.2.1"] },
    }, ["pass", "mx.example"]],
    ["leads back in IPv6", "2001:db8::1", {
      [V6_NAME]: { ptr: ["mx.example"] },
      "mx.example": { aaaa: ["2001:db8:0::1"], a: ["192.0.2.1"] },
    }, ["pass", "mx.example"]],
    ["is the second one, the first failing", "192.0.2.1", {
      [V4_NAME]: { ptr: ["a.example", "mx.example"] },
      "a.example": { fails: "timeout" },
      "mx.example": { a: ["192.0.2.1"] },
    }, ["pass", "mx.example"]],
    ["leads elsewhere", "192.0.2.1", {
      [V4_NAME]: { ptr: ["mx.example"] },
      "mx.example": { a: ["192.0.2.2"] },
    }, ["fail", null]],
    ["leads nowhere", "192.0.2.1", { [V4_NAME]: { ptr: ["mx.example"] } }, ["fail", null]],
    ["leads elsewhere, and another one is not known", "192.0.2.1", {
      [V4_NAME]: { ptr: ["a.example", "mx.example"] },
      "a.example": { a: ["192.0.2.2"] },
      "mx.example": { a: "servfail" },
    }, ["temperror", null]],
    ["is none", "192.0.2.1", {}, ["none", null]],
    ["is none, other records are", "192.0.2.1", { [V4_NAME]: { txt: ["x"] } }, ["none", null]],
    ["is not known", "192.0.2.1", { [V4_NAME]: { fails: "refused" } }, ["temperror", null]],
    ["is no host's", "192.0.2.1", {
      [V4_NAME]: { ptr: ["<b>.example"] },
      "<b>.example": { a: ["192.0.2.1"] },
    }, ["fail", null]],
    ["is of no address", "unknown", {}, ["none", null]],
  ] satisfies [string, string, ZoneData, [string, string | null]][]
) {
  Deno.test(`confirmReverseName: a name that ${title} is ${expected[0]}`, async () => {
    const resolver = new ZoneResolver(zone);
    const { verdict, name } = await confirmReverseName(address, { resolver, deadlineMs: 1000 });
    assert.deepEqual([verdict, name], expected);
  });
}

Deno.test("confirmReverseName: ten names are looked at, each once", async () => {
  const names = Array.from({ length: 12 }, (_, at) => `n${at}.example`);
  const asked: string[] = [];
  const resolver = new ZoneResolver({ [V4_NAME]: { ptr: ["n0.example", ...names] } });
  resolver.a = (name) => {
    asked.push(name);
    return Promise.resolve({ kind: "nxdomain" });
  };
  const { verdict } = await confirmReverseName("192.0.2.1", { resolver, deadlineMs: 1000 });
  assert.equal(verdict, "fail");
  assert.deepEqual(asked, names.slice(0, 9));
});

Deno.test("confirmReverseName: no answer in time is not knowing", async () => {
  const resolver = new ZoneResolver({ [V4_NAME]: { ptr: ["mx.example"] } });
  resolver.a = () => new Promise(() => {});
  const { verdict } = await confirmReverseName("192.0.2.1", { resolver, deadlineMs: 5 });
  assert.equal(verdict, "temperror");
});
