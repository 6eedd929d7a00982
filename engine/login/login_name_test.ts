import assert from "node:assert/strict";
import { networkOf, parseLoginName } from "./login_name.ts";

Deno.test("parseLoginName: a mailbox, or a local part of the default domain", () => {
  const ann = { domain: "example.org", localPart: "ann" };
  for (const name of ["ann@example.org", "Ann@EXAMPLE.org", "ann", "ANN", '"ann"@example.org']) {
    assert.deepEqual(parseLoginName(name, "example.org"), ann, name);
  }
  assert.deepEqual(parseLoginName("ann@example.net", "example.org"), {
    ...ann,
    domain: "example.net",
  });
});

Deno.test("parseLoginName: names are composed and in lower case", () => {
  const composed = { domain: "xn--bcher-kva.example", localPart: "jos\u00e9" };
  assert.deepEqual(parseLoginName("JOSE\u0301@B\u00fccher.example", "example.org"), composed);
});

Deno.test("parseLoginName: what is no mailbox is nobody's", () => {
  for (const name of ["", "@", "ann@", "@example.org", "a b", "<ann@example.org>", "a\n@b.c"]) {
    assert.equal(parseLoginName(name, "example.org"), null, JSON.stringify(name));
  }
});

Deno.test("networkOf: an IPv4 address in either form, the /64 of an IPv6 one", () => {
  assert.equal(networkOf("192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("2001:DB8:0:1::5"), "2001:db8:0:1::/64");
  assert.equal(networkOf("2001:db8:0:1:ffff::"), "2001:db8:0:1::/64");
  assert.notEqual(networkOf("2001:db8:0:2::5"), networkOf("2001:db8:0:1::5"));
  assert.equal(networkOf("::1"), "::/64");
  assert.equal(networkOf("nonsense \n"), "unknown");
});
