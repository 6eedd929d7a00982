import assert from "node:assert/strict";
import fc from "fast-check";
import { systemServers } from "./node_resolv_conf.ts";
import { parseResolvConf, parseServers } from "./servers.ts";

Deno.test("parseServers: addresses with and without port, IPv6 with and without brackets", () => {
  assert.deepEqual(parseServers("127.0.0.1:5353, [::1]:53,9.9.9.9,2620:FE::fe,[::2]"), {
    kind: "servers",
    servers: [
      { host: "127.0.0.1", port: 5353 },
      { host: "::1", port: 53 },
      { host: "9.9.9.9", port: 53 },
      { host: "2620:fe::fe", port: 53 },
      { host: "::2", port: 53 },
    ],
  });
});

Deno.test("parseServers: the fault names the entry", () => {
  for (
    const entry of [
      "localhost",
      "127.0.0.1:0",
      "127.0.0.1:65536",
      "127.0.0.1:",
      "[127.0.0.1]:53",
      "[::1]53",
      "[::1",
      "1.2.3",
    ]
  ) {
    const fault = `"${entry}" is not an IP address with an optional port`;
    assert.deepEqual(parseServers(`9.9.9.9,${entry}`), { kind: "invalid", fault });
  }
  assert.deepEqual(parseServers(" , "), { kind: "invalid", fault: "no DNS server is named" });
});

Deno.test("parseServers: reads back whatever it is given in full", () => {
  const port = fc.integer({ min: 1, max: 65_535 });
  fc.assert(fc.property(fc.ipV4(), fc.ipV6(), port, (ipv4, ipv6, port) => {
    const parse = parseServers(`${ipv4}:${port},[${ipv6}]:${port}`);
    assert.equal(parse.kind, "servers");
    if (parse.kind === "servers") assert.deepEqual(parse.servers.map((s) => s.port), [port, port]);
  }));
  fc.assert(fc.property(fc.string(), (text) => void parseServers(text)));
});

Deno.test("parseResolvConf: the first three usable nameserver lines", () => {
  const text =
    "# nameserver 192.0.2.9\nsearch example\n nameserver\t192.0.2.1 \nnameserver fe80::1%e0" +
    "\nnameserver 2001:DB8::2\r\nnameserver\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
  assert.deepEqual(
    parseResolvConf(text).map((server) => server.host),
    ["192.0.2.1", "2001:db8::2", "192.0.2.3"],
  );
  assert.deepEqual(parseResolvConf("options edns0\n"), [{ host: "127.0.0.1", port: 53 }]);
});

Deno.test("systemServers: a file that is not there means this machine", async () => {
  const here = [{ host: "127.0.0.1", port: 53 }];
  assert.deepEqual(await systemServers("/tmp/no-such-resolv.conf"), here);
  const path = await Deno.makeTempFile({ dir: "/tmp" });
  try {
    await Deno.writeTextFile(path, "nameserver 192.0.2.1\n");
    assert.deepEqual(await systemServers(path), [{ host: "192.0.2.1", port: 53 }]);
  } finally {
    await Deno.remove(path);
  }
});
