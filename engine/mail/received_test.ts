import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import {
  type Arrival,
  dateTime,
  protocolName,
  receivedField,
  returnPathField,
} from "./received.ts";

const ARRIVAL: Arrival = {
  heloName: "mail.example.org",
  clientAddress: "192.0.2.7",
  clientName: "out.example.org",
  byHost: "mx.example.net",
  protocol: "ESMTPS",
  queueId: "0123456789ABC",
  tls: { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" },
  recipient: "ann@example.net",
  acceptedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
};

Deno.test("receivedField: says who, how, for whom and when (RFC 5321 §4.4)", () => {
  assert.equal(
    receivedField(ARRIVAL),
    "Received: from mail.example.org (out.example.org [192.0.2.7])\r\n" +
      "\tby mx.example.net with ESMTPS id 0123456789ABC\r\n" +
      "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n" +
      "\tfor <ann@example.net>;\r\n" +
      "\tFri, 02 Jan 2026 03:04:05 +0000\r\n",
  );
});

Deno.test("receivedField: leaves out what is unknown, and recipients who are not alone", () => {
  const arrival = { ...ARRIVAL, clientName: null, tls: null, recipient: null, protocol: "SMTP" };
  assert.equal(
    receivedField({ ...arrival, clientAddress: "2001:db8::1" }),
    "Received: from mail.example.org ([IPv6:2001:db8::1])\r\n" +
      "\tby mx.example.net with SMTP id 0123456789ABC;\r\n" +
      "\tFri, 02 Jan 2026 03:04:05 +0000\r\n",
  );
});

Deno.test("receivedField: a HELO name cannot say more than a name", () => {
  const from = (heloName: string) =>
    /^Received: from (\S+)/.exec(receivedField({ ...ARRIVAL, heloName }))?.[1];
  assert.equal(from("evil\r\nBcc: x"), "evil__Bcc:_x");
  assert.equal(from("a (b) by c; d"), "a__b__by_c__d");
  assert.equal(from("BÜCHER.example"), "xn--bcher-kva.example");
  assert.equal(from("[IPv6:2001:DB8::1]"), "[IPv6:2001:db8::1]");
  assert.equal(from(""), "[192.0.2.7]");
  assert.equal(from("()()"), "[192.0.2.7]");
});

Deno.test("receivedField: folds below 78 columns, whatever is put in stays one field", () => {
  const hosts = { heloName: "a.".repeat(20) + "example", clientName: "b.".repeat(20) + "example" };
  for (const line of receivedField({ ...ARRIVAL, ...hosts }).trimEnd().split("\r\n")) {
    assert.ok(line.length < 78, line);
  }
  const text = anyText({ maxLength: 400 });
  fc.assert(
    fc.property(text, text, text, (heloName, clientName, recipient) => {
      const field = receivedField({ ...ARRIVAL, heloName, clientName, recipient });
      const lines = field.split("\r\n");
      assert.equal(lines.pop(), "");
      assert.match(lines[0], /^Received: from \S+/);
      for (const line of lines.slice(1)) assert.equal(line[0], "\t");
      assert.doesNotMatch(field.replaceAll("\r\n", ""), /[\r\n\0]/);
      assert.ok(lines.every((line) => line.length <= 998));
    }),
  );
});

Deno.test("protocolName: the registered names (RFC 3848, RFC 6531 §4.3)", () => {
  const name = (extended: boolean, tls: boolean, authenticated: boolean, smtpUtf8: boolean) =>
    protocolName({ extended, tls, authenticated, smtpUtf8 });
  assert.equal(name(false, false, false, false), "SMTP");
  assert.equal(name(true, false, false, false), "ESMTP");
  assert.equal(name(true, true, false, false), "ESMTPS");
  assert.equal(name(true, false, true, false), "ESMTPA");
  assert.equal(name(true, true, true, false), "ESMTPSA");
  assert.equal(name(true, false, false, true), "UTF8SMTP");
  assert.equal(name(true, true, true, true), "UTF8SMTPSA");
});

Deno.test("dateTime: RFC 5322 §3.3 in UTC, and Date reads it back", () => {
  assert.equal(dateTime(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  fc.assert(fc.property(fc.integer({ min: 0, max: 4e9 }), (seconds) => {
    assert.equal(Date.parse(dateTime(seconds * 1000)), seconds * 1000);
  }));
});

Deno.test("returnPathField: writes the reverse-path, or the null one (RFC 5321 §4.4)", () => {
  assert.equal(returnPathField("ann@example.org"), "Return-Path: <ann@example.org>\r\n");
  assert.equal(returnPathField(""), "Return-Path: <>\r\n");
  assert.equal(returnPathField("a\r\nBcc: b@c"), "Return-Path: <>\r\n");
});
