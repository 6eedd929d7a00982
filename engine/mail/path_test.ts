import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { formatMailbox, parseMailbox, parseMailCommand, parseRcptCommand } from "./path.ts";

function mail(argument: Uint8Array | string): string {
  const result = parseMailCommand(argument);
  return result.kind === "fault" ? result.fault : `<${result.mailbox}>`;
}

function rcpt(argument: string, smtpUtf8 = false): string {
  const result = parseRcptCommand(argument, { smtpUtf8 });
  return result.kind === "fault" ? result.fault : `<${result.mailbox}>`;
}

Deno.test("parseMailCommand: gives one text of a mailbox, quoted only where it must be (RFC 5321 §4.1.2)", () => {
  const forms: [string, string][] = [
    ["<Ann@Example.ORG>", "<Ann@example.org>"],
    ['<"ann"@example.org>', "<ann@example.org>"],
    ['<"a\\nn"@example.org>', "<ann@example.org>"],
    ['<"a b"@example.org>', '<"a b"@example.org>'],
    ['<"a\\@b"@example.org>', '<"a@b"@example.org>'],
    ['<"a>b"@example.org>', '<"a>b"@example.org>'],
    ['<"a\\"\\\\b"@example.org>', '<"a\\"\\\\b"@example.org>'],
    ['<".a."@example.org>', '<".a."@example.org>'],
    ['<""@example.org>', '<""@example.org>'],
    ["<a@[192.0.2.1]>", "<a@[192.0.2.1]>"],
    ["<a@[IPv6:2001:DB8:0::1]>", "<a@[IPv6:2001:db8::1]>"],
    ["<a@[tag:x]>", "<a@[tag:x]>"],
    ["<>", "<>"],
    ["  <a@b>", "<a@b>"],
    ["<a@b> ", "<a@b>"],
  ];
  for (const [written, expected] of forms) assert.equal(mail(written), expected, written);
});

Deno.test("parseMailCommand: accepts and drops a source route (RFC 5321 appendix C)", () => {
  assert.equal(mail("<@one.example,@two.example:ann@example.org>"), "<ann@example.org>");
  assert.equal(rcpt("<@one.example:ann@example.org>"), "<ann@example.org>");
  for (const text of ["<@one.example>", "<@:a@b>", "<@a,b:c@d>", "<@a,:c@d>", "<@a:>"]) {
    assert.equal(mail(text), "syntax", text);
  }
});

Deno.test("parseMailCommand: names the fault", () => {
  const syntax = [
    "",
    "a@b",
    "<a@b",
    "<a>",
    "<a@>",
    "<@b>",
    "< a@b>",
    "<a@b >",
    "<a b@c>",
    "<a..b@c>",
  ];
  syntax.push("<.a@b>", "<a.@b>", '<"a"b@c>', '<"a@b>', '<"a\\"@b>', "<a@b@c>", "<a@b.>", "<a@-b>");
  syntax.push(
    "<a@[1.2.3]>",
    "<a@[1.2.3.4>",
    "<a@b,c@d>",
    "<postmaster>",
    "<a\u0001@b>",
    '<"\t"@b>',
  );
  syntax.push("<a\u0085b@c> SMTPUTF8", "\t<a@b>");
  for (const text of syntax) assert.equal(mail(text), "syntax", JSON.stringify(text));
  assert.equal(mail("<a@b>SIZE=1"), "parameter_syntax");
  assert.equal(mail("<<a@b>>"), "parameter_syntax");
  assert.equal(mail("<a@b> SIZE=1 SIZE=1"), "duplicate_parameter");
  assert.equal(mail("<a\ud800@b> SMTPUTF8"), "invalid_utf8");
  assert.equal(mail("<a\ufffd@b> SMTPUTF8"), "invalid_utf8");
  assert.equal(mail(Uint8Array.of(0x3c, 0xff, 0x40, 0x62, 0x3e)), "invalid_utf8");
});

Deno.test("parseMailCommand: holds the limits in octets (RFC 5321 §4.5.3.1)", () => {
  const local = "a".repeat(252);
  const domain = (octets: number) =>
    "b".repeat(62).concat(".").repeat(5).slice(0, octets - 1) + "c";
  assert.equal(mail(`<${local}@b>`), `<${local}@b>`);
  assert.equal(mail(`<${local}a@b>`), "too_long");
  assert.equal(mail(`<${"é".repeat(126)}@b> SMTPUTF8`), `<${"é".repeat(126)}@b>`);
  assert.equal(mail(`<${"é".repeat(126)}a@b> SMTPUTF8`), "too_long");
  const bounce = `bounces+4711-${"a".repeat(60)}=recipient.example@lists.example.org`;
  assert.equal(mail(`<${bounce}>`), `<${bounce}>`);
  assert.equal(mail(`<a@${domain(252)}>`), `<a@${domain(252)}>`);
  assert.equal(mail(`<a@${domain(253)}>`), "too_long");
  assert.equal(mail(`<a@b> X=${"y".repeat(5000)}`), "too_long");
});

Deno.test("parseMailCommand: takes UTF-8 with SMTPUTF8 only (RFC 6531 §3.4)", () => {
  assert.equal(mail("<дима@пример.рф>"), "needs_utf8");
  assert.equal(mail("<ann@bücher.example>"), "needs_utf8");
  assert.equal(mail("<дима@пример.рф> SMTPUTF8"), "<дима@xn--e1afmkfd.xn--p1ai>");
  assert.equal(
    mail(new TextEncoder().encode("<дима@example.org> SMTPUTF8")),
    "<дима@example.org>",
  );
  assert.equal(rcpt("<дима@example.org>"), "needs_utf8");
  assert.equal(rcpt("<дима@example.org>", true), "<дима@example.org>");
  const domainOnly = parseMailCommand("<ann@bücher.example> SMTPUTF8");
  assert.ok(domainOnly.kind === "path" && !domainOnly.isInternational);
});

Deno.test("parseRcptCommand: takes postmaster without a domain, but no null path (RFC 5321 §4.5.1)", () => {
  const result = parseRcptCommand("<PostMaster>", { smtpUtf8: false });
  assert.ok(result.kind === "path");
  assert.deepEqual([result.localPart, result.domain], ["postmaster", ""]);
  assert.equal(rcpt("<>"), "syntax");
  assert.equal(rcpt("<ann>"), "syntax");
});

Deno.test("parseMailbox: reads a mailbox without brackets, and no source route", () => {
  assert.deepEqual(parseMailbox("Ann@Example.org"), {
    localPart: "Ann",
    domain: "example.org",
    mailbox: "Ann@example.org",
    isInternational: false,
  });
  assert.equal(parseMailbox("@a:b@c"), "syntax");
  assert.equal(parseMailbox(""), "syntax");
  assert.equal(parseMailbox("a@b>"), "syntax");
});

Deno.test("parseMailCommand: a mailbox read again stays itself; no input throws", () => {
  const soup = fc.string({ unit: fc.constantFrom(...'<>@".\\ ,:[]aZ1é-=\u0001'), maxLength: 60 });
  const local = fc.string({ unit: fc.constantFrom(...'ab.@ "\\<>é'), maxLength: 12 });
  const text = fc.oneof(
    soup,
    anyText(),
    soup.map((inner) => `<${inner}@example.org>`),
    local.map((part) => `<${formatMailbox(part, "example.org")}> SMTPUTF8`),
  );
  let paths = 0;
  fc.assert(
    fc.property(text, (argument) => {
      const first = parseMailCommand(argument);
      parseRcptCommand(argument, { smtpUtf8: true });
      if (first.kind === "fault") return;
      paths++;
      const again = parseMailCommand(`<${first.mailbox}> SMTPUTF8`);
      assert.ok(again.kind === "path");
      assert.deepEqual([again.mailbox, again.localPart], [first.mailbox, first.localPart]);
    }),
    { numRuns: 3000 },
  );
  assert.ok(paths > 300, `only ${paths} paths among the inputs`);
});

Deno.test("formatMailbox: any printable local part survives being quoted", () => {
  const local = fc.string({ unit: fc.constantFrom(...'ab.@ "\\<>é'), maxLength: 12 });
  fc.assert(fc.property(local, (part) => {
    const result = parseMailbox(formatMailbox(part, "example.org"));
    assert.ok(typeof result !== "string");
    assert.equal(result.localPart, part);
  }));
});

Deno.test("parseMailCommand: octets of any kind never throw, and long input takes no longer per octet", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    parseMailCommand(octets);
  }));
  for (const piece of ['"', "\\", "<", "@", "a.", "[", ":", "@a,", " A=b", "ü", '"\\', "a-"]) {
    const before = performance.now();
    for (let i = 0; i < 20; i++) mail("<" + piece.repeat(4000 / piece.length));
    const eachMs = (performance.now() - before) / 20;
    assert.ok(eachMs < 10, `${JSON.stringify(piece)}: ${eachMs} ms`);
  }
});
