import assert from "node:assert/strict";
import { isPrivate } from "./check_mx.ts";

Deno.test("isPrivate: no address that the Internet reaches, and all that it does not (RFC 6890 §2.2)", () => {
  const inside = [
    ...["10.0.0.0", "10.255.255.255", "127.0.0.1", "169.254.1.1", "172.16.0.1", "172.31.255.255"],
    ...["192.168.1.1", "100.64.0.1", "100.127.255.255", "0.0.0.0"],
    ...["::", "::1", "fc00::1", "fdff::1", "fe80::1", "febf::1"],
  ];
  assert.deepEqual(inside.filter((address) => !isPrivate(address)), []);
  const outside = [
    ...["9.255.255.255", "11.0.0.0", "172.15.0.1", "172.32.0.1", "192.167.1.1", "192.169.0.1"],
    ...["100.63.255.255", "100.128.0.0", "169.253.0.1", "8.8.8.8"],
    ...["::2", "2001:db8::1", "fbff::1", "fe00::1", "fec0::1"],
  ];
  assert.deepEqual(outside.filter(isPrivate), []);
});
