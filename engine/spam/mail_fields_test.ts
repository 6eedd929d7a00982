import assert from "node:assert/strict";
import fc from "fast-check";
import { isFromList, mailboxOf, readFields } from "./mail_fields.ts";
import { mailFacts } from "./testdata/mail.ts";

Deno.test("mailboxOf: name and address as mail programs show them", () => {
  const read = (field: string) => {
    const { displayName, address, domain } = mailboxOf(field)!;
    return [displayName, address, domain];
  };
  assert.deepEqual(read("Ann <Ann@Example.NET>"), ["Ann", "ann@example.net", "example.net"]);
  assert.deepEqual(read('"Smith, Ann" <a@b.example>'), ["Smith, Ann", "a@b.example", "b.example"]);
  assert.deepEqual(read("a@b.example (Ann)"), ["Ann", "a@b.example", "b.example"]);
  assert.deepEqual(read("=?utf-8?Q?J=C3=BCrgen?= <j@b.example>"), [
    ...["Jürgen", "j@b.example", "b.example"],
  ]);
  assert.deepEqual(read("<x@y.example> <a@b.example>"), [
    ...["<x@y.example>", "a@b.example", "b.example"],
  ]);
  assert.deepEqual(read("undisclosed"), ["", "undisclosed", ""]);
  assert.equal(mailboxOf(null), null);
});

Deno.test("mailboxOf: any field is read", () => {
  fc.assert(fc.property(fc.string(), (field) => {
    assert.ok(mailboxOf(field) !== null);
  }));
});

Deno.test("isFromList: by the fields of a list, or because answers go where it went", () => {
  const of = (fields: Readonly<Record<string, string>>) => {
    const { header } = mailFacts({ fields });
    return isFromList(header, readFields(header));
  };
  assert.ok(of({ "List-Id": "<l.example.org>" }));
  assert.ok(of({ To: "Club <CLUB@example.org>", "Reply-To": "club@EXAMPLE.org" }));
  assert.ok(!of({ "Reply-To": "ann@example.net" }));
  assert.ok(!of({}));
});
