import assert from "node:assert/strict";
import { neighbourhood, oneClient, senderNetwork } from "./client_network.ts";

Deno.test("oneClient, neighbourhood, senderNetwork: of IPv4 and IPv6, in one form each", () => {
  const of = (address: string) => [oneClient, neighbourhood, senderNetwork].map((f) => f(address));
  const quad = ["192.0.2.129", "192.0.2.0/24", "192.0.2.0/24"];
  assert.deepEqual(of("192.0.2.129"), quad);
  assert.deepEqual(of("::ffff:192.0.2.129"), quad);
  assert.deepEqual(of("::FFFF:c000:281"), quad);
  const six = ["2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8:1:2::/64"];
  assert.deepEqual(of("2001:db8:1:2:3:4:5:6"), six);
  assert.deepEqual(of("2001:0DB8:1:2::"), six);
  assert.deepEqual(of("2001:db8:ffff:ffff::1"), [
    ...["2001:db8:ffff:ffff::/64", "2001:db8:ffff::/48", "2001:db8:ffff:ffff::/64"],
  ]);
  assert.deepEqual(of("255.255.255.255"), [
    ...["255.255.255.255", "255.255.255.0/24", "255.255.255.0/24"],
  ]);
  for (const text of ["", "example.org", "1.2.3", "::1%lo"]) {
    assert.deepEqual(of(text), ["unknown", "unknown", "unknown"]);
  }
});
