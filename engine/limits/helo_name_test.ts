import assert from "node:assert/strict";
import fc from "fast-check";
import { type ZoneData, ZoneResolver } from "../dns/zone_resolver.ts";
import { checkHeloName, heloSyntaxFault } from "./helo_name.ts";

const context = (clientAddress = "192.0.2.1") => ({
  clientAddress,
  isOurName: (name: string) => name === "mx.ours.example" || name === "localhost",
});

for (
  const [heloName, expected, client] of [
    ["mx.example", null],
    ["MX.Example.", null],
    ["my_host.example", null],
    ["bücher.example", null],
    ["[192.0.2.1]", null],
    ["[192.0.2.1]", null, "::ffff:192.0.2.1"],
    ["[IPv6:2001:DB8::1]", null, "2001:db8::1"],
    ["[2001:db8::1]", null, "2001:db8::1"],
    ["[192.0.2.2]", "wrong_literal"],
    ["[IPv6:2001:db8::2]", "wrong_literal", "2001:db8::1"],
    ["[tag:content]", "wrong_literal"],
    ["[192.0.2.1", "not_a_name"],
    ["[]", "not_a_name"],
    ["192.0.2.1", "bare_address"],
    ["2001:db8::1", "bare_address"],
    ["mail", "no_dot"],
    ["localhost", "our_name"],
    ["MX.OURS.example", "our_name"],
    ["mx.ours.example.", "our_name"],
    ["", "not_a_name"],
    [".", "not_a_name"],
    ["a..example", "not_a_name"],
    ["-a.example", "not_a_name"],
    ["a b.example", "not_a_name"],
    ["a.example..", "not_a_name"],
    [`${"a".repeat(64)}.example`, "not_a_name"],
  ] as const
) {
  Deno.test(`heloSyntaxFault: ${heloName.slice(0, 30)} from ${client ?? "192.0.2.1"}`, () => {
    assert.equal(heloSyntaxFault(heloName, context(client)), expected);
  });
}

for (
  const [title, records, expected] of [
    ["an IPv4 address", { a: ["192.0.2.1"] }, []],
    ["an IPv6 address", { aaaa: ["2001:db8::1"] }, []],
    ["a mail exchanger", { mx: [{ preference: 0, exchange: "mx2.example" }] }, []],
    ["a null MX alone", { mx: [{ preference: 0, exchange: "." }] }, ["no_address"]],
    ["neither", { txt: ["x"] }, ["no_address"]],
    ["a failure", { fails: "servfail" }, []],
    ["no IPv4 address and a failure", { aaaa: "timeout" }, []],
    ["no addresses and a failure", { mx: "timeout" }, []],
  ] satisfies [string, ZoneData[string], string[]][]
) {
  Deno.test(`checkHeloName: a name with ${title} is ${expected[0] ?? "good"}`, async () => {
    const resolver = new ZoneResolver({ "mx.example": records });
    const options = { ...context(), resolver, deadlineMs: 1000 };
    assert.deepEqual(await checkHeloName("mx.Example.", options), expected);
  });
}

Deno.test("checkHeloName: a name that does not exist is a fault, none in time is none", async () => {
  const resolver = new ZoneResolver({});
  const options = { ...context(), resolver, deadlineMs: 5 };
  assert.deepEqual(await checkHeloName("mx.example", options), ["no_address"]);
  resolver.a = () => new Promise(() => {});
  assert.deepEqual(await checkHeloName("mx.example", options), []);
});

Deno.test("checkHeloName: who is faulty by form, or gives an address, is not asked for in the DNS", async () => {
  const resolver = new ZoneResolver({});
  const options = { ...context(), resolver, deadlineMs: 1000 };
  resolver.a = () => assert.fail("a question");
  assert.deepEqual(await checkHeloName("mail", options), ["no_dot"]);
  assert.deepEqual(await checkHeloName("[192.0.2.1]", options), []);
});

Deno.test("checkHeloName: no name throws", async () => {
  const resolver = new ZoneResolver({});
  const piece = fc.constantFrom("[", "]", "IPv6:", ":", ".", "192.0.2.1", "a", "-");
  const name = fc.oneof(fc.string(), fc.array(piece, { maxLength: 12 }).map((all) => all.join("")));
  await fc.assert(fc.asyncProperty(name, async (heloName) => {
    const faults = await checkHeloName(heloName, { ...context(), resolver, deadlineMs: 1000 });
    assert.ok(faults.length <= 1);
  }));
});
