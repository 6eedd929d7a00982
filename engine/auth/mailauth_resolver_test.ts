import assert from "node:assert/strict";
import { spf } from "mailauth";
import { ZoneResolver } from "../dns/zone_resolver.ts";
import { mailauthResolver } from "./mailauth_resolver.ts";

const resolve = mailauthResolver(
  new ZoneResolver({
    "x.test": {
      a: ["192.0.2.1"],
      aaaa: ["2001:db8::1"],
      mx: [{ preference: 10, exchange: "mx.x.test" }],
      txt: ["v=spf1 mx -all", "other \xe9"],
    },
    "mx.x.test": { a: ["192.0.2.2"] },
    "www.x.test": { cname: "x.test" },
    "1.2.0.192.in-addr.arpa": { ptr: ["x.test"] },
    "slow.test": { fails: "timeout" },
    "shut.test": { fails: "refused" },
    "broken.test": { fails: "servfail" },
    "busy.test": { fails: "overloaded" },
    "none.test": { txt: ["v=spf1 mx ~all"] },
    "asks-slow.test": { txt: ["v=spf1 include:slow.test -all"] },
  }),
);

Deno.test("mailauthResolver: answers in the shapes of Node's resolver", async () => {
  assert.deepEqual(await resolve("x.test", "A"), ["192.0.2.1"]);
  assert.deepEqual(await resolve("x.test", "aaaa"), ["2001:db8::1"]);
  assert.deepEqual(await resolve("x.test", "MX"), [{ priority: 10, exchange: "mx.x.test" }]);
  assert.deepEqual(await resolve("x.test", "TXT"), [["v=spf1 mx -all"], ["other \xe9"]]);
  assert.deepEqual(await resolve("www.x.test", "CNAME"), ["x.test"]);
  assert.deepEqual(await resolve("1.2.0.192.in-addr.arpa", "PTR"), ["x.test"]);
});

Deno.test("mailauthResolver: not knowing is told apart from not being there", async () => {
  const codes: [string, string, string][] = [
    ["x.test", "PTR", "ENODATA"],
    ["nowhere.test", "A", "ENOTFOUND"],
    ["slow.test", "A", "ETIMEOUT"],
    ["shut.test", "MX", "EREFUSED"],
    ["broken.test", "TXT", "ESERVFAIL"],
    ["busy.test", "AAAA", "ESERVFAIL"],
    ["x.test", "SRV", "ENOTIMP"],
  ];
  for (const [name, type, code] of codes) {
    await assert.rejects(resolve(name, type), { code }, `${name} ${type}`);
  }
});

Deno.test("mailauthResolver: SPF says temperror only where DNS failed (RFC 7208 §2.6.6)", async () => {
  const results: [string, string][] = [
    ["x.test", "pass"],
    ["none.test", "softfail"],
    ["nowhere.test", "none"],
    ["slow.test", "temperror"],
    ["shut.test", "temperror"],
    ["broken.test", "temperror"],
    ["busy.test", "temperror"],
    ["asks-slow.test", "temperror"],
  ];
  for (const [domain, expected] of results) {
    const { status } = await spf({
      ip: "192.0.2.2",
      helo: "mail.x.test",
      sender: `ann@${domain}`,
      mta: "mx.here.test",
      resolver: resolve,
    });
    assert.equal(status.result, expected, domain);
  }
});
