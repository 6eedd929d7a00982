import assert from "node:assert/strict";
import { BlockList, isIPv4 } from "node:net";
import fc from "fast-check";
import { type NetworkList, parseNetworks } from "./networks.ts";

function networks(text: string): NetworkList {
  const result = parseNetworks(text);
  assert.ok(result.kind === "networks", JSON.stringify(result));
  return result.networks;
}

Deno.test("parseNetworks: takes networks and addresses of both families", () => {
  const list = networks(" 10.0.0.0/8, 192.0.2.7\n2001:db8::/32 ::1,");
  assert.equal(list.size, 4);
  for (const address of ["10.255.0.1", "192.0.2.7", "2001:db8:ffff::1", "::1"]) {
    assert.ok(list.contains(address), address);
  }
  for (const address of ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::2", "", "mail", "10.0.0.0/8"]) {
    assert.ok(!list.contains(address), address);
  }
  assert.equal(networks("").contains("127.0.0.1"), false);
});

Deno.test("NetworkList: an IPv4-mapped address is the IPv4 address, on either side", () => {
  assert.ok(networks("10.0.0.0/8").contains("::ffff:10.1.2.3"));
  assert.ok(networks("::ffff:10.0.0.0/104").contains("10.1.2.3"));
});

Deno.test("NetworkList: all of one family is nothing of the other", () => {
  const all6 = networks("::/0");
  assert.ok(all6.contains("2001:db8::1") && !all6.contains("192.0.2.1"));
  const all4 = networks("0.0.0.0/0");
  assert.ok(all4.contains("192.0.2.1") && !all4.contains("::1"));
});

Deno.test("parseNetworks: names the entry that is wrong, and why", () => {
  assert.deepEqual(parseNetworks("127.0.0.1, 10.0.0.1/8"), {
    kind: "fault",
    entry: "10.0.0.1/8",
    reason: "bits are set behind the prefix; the network would be 10.0.0.0/8",
  });
  for (const entry of ["10/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "host", "/8"]) {
    const result = parseNetworks(entry);
    assert.equal(result.kind === "fault" && result.entry, entry);
  }
});

Deno.test("NetworkList: agrees with node:net's BlockList", () => {
  const nearby = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }));
  const address = fc.oneof(
    nearby.map(([a, b]) => `192.0.${a & 3}.${b}`),
    nearby.map(([a, b]) => `2001:db8::${(a & 3).toString(16)}:${b.toString(16)}`),
    fc.ipV4(),
  );
  let inside = 0;
  fc.assert(
    fc.property(address, fc.integer({ min: 0, max: 128 }), address, (base, bits, asked) => {
      const prefix = isIPv4(base) ? bits % 33 : bits;
      const first = parseNetworks(`${base}/${prefix}`);
      // The fault names the network it would have to be.
      const text = first.kind === "networks"
        ? `${base}/${prefix}`
        : first.reason.split(" ").at(-1)!;
      const list = networks(text);
      const reference = new BlockList();
      reference.addSubnet(base, prefix, isIPv4(base) ? "ipv4" : "ipv6");
      const expected = isIPv4(base) === isIPv4(asked) &&
        reference.check(asked, isIPv4(asked) ? "ipv4" : "ipv6");
      assert.equal(list.contains(asked), expected, `${asked} in ${text}`);
      if (expected) inside++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(inside > 100, `only ${inside} addresses inside`);
});
