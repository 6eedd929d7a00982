import assert from "node:assert/strict";
import { networksOf, parseLoginName } from "./login_name.ts";

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

Deno.test("networksOf: an IPv4 address in either form, and what an IPv6 one lies in", () => {
  assert.deepEqual(networksOf("192.0.2.1"), ["192.0.2.1"]);
  assert.deepEqual(networksOf("::ffff:192.0.2.1"), ["192.0.2.1"]);
  const networks = ["2001:db8:1:abcd::/64", "2001:db8:1:ab00::/56", "2001:db8:1::/48"];
  assert.deepEqual(networksOf("2001:DB8:1:abcd::5"), networks);
  assert.deepEqual(networksOf("2001:db8:1:abcd:ffff::"), networks);
  assert.deepEqual(networksOf("ffff:ffff:ffff:ffff::1")[2], "ffff:ffff:ffff::/48");
  assert.deepEqual(networksOf("::1"), ["::/64", "::/56", "::/48"]);
  assert.deepEqual(networksOf("nonsense \n"), ["unknown"]);
});
