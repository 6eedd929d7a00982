import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import { formatIp, isIpv4, parseIp } from "./ip_address.ts";

Deno.test("formatIp: writes IPv6 as RFC 5952 §4 wants it", () => {
  const forms: [string, string][] = [
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ];
  for (const [written, expected] of forms) assert.equal(formatIp(parseIp(written)!), expected);
});

Deno.test("parseIp: an IPv4-mapped address is the IPv4 address (RFC 4291 §2.5.5.2)", () => {
  assert.deepEqual(parseIp("::ffff:192.0.2.1"), parseIp("192.0.2.1"));
  assert.deepEqual(parseIp("::FFFF:c000:201"), parseIp("192.0.2.1"));
  assert.equal(formatIp(parseIp("::ffff:192.0.2.1")!), "192.0.2.1");
  assert.equal(isIpv4(parseIp("::192.0.2.1")!), false);
});

Deno.test("parseIp: refuses what is no address", () => {
  const texts = "|1.2.3|1.2.3.4.5|256.1.1.1|01.2.3.4|1.2.3.4:25|:|:::|1::2::3|1:2:3:4:5:6:7|" +
    "1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|g::|12345::|::1.2.3|1.2.3.4::|fe80::1%eth0|1:|:1|::1:|" +
    "1.2.3.4\n| 1.2.3.4";
  for (const text of texts.split("|")) assert.equal(parseIp(text), null, JSON.stringify(text));
});

Deno.test("parseIp: agrees with node:net on every address, and survives the way back", () => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
    const ip = parseIp(text);
    assert.notEqual(isIP(text), 0);
    assert.ok(ip !== null);
    assert.deepEqual(parseIp(formatIp(ip)), ip);
  }));
  const soup = fc.string({ unit: fc.constantFrom(..."0:1.af2:"), maxLength: 20 });
  fc.assert(
    fc.property(soup, (text) => {
      // node:net takes no leading zeros in a dotted quad either.
      assert.equal(parseIp(text) !== null, isIP(text) !== 0, text);
    }),
    { numRuns: 2000 },
  );
});
