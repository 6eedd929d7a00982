import assert from "node:assert/strict";
import fc from "fast-check";
import { readHeaderSection } from "../mail/header_section.ts";
import { messageFingerprint } from "./message_fingerprint.ts";

function fingerprintOf(text: string): string {
  const octets = new TextEncoder().encode(text);
  return messageFingerprint(octets, readHeaderSection(octets));
}

const FIELDS =
  "From: ann@example.com\r\nSubject: a\r\n b\r\nDate: today\r\nMessage-ID: <1@example.com>\r\n";
const BODY = "one\r\n\r\ntwo\r\n";
const PLAIN = fingerprintOf(`${FIELDS}\r\n${BODY}`);

Deno.test("messageFingerprint: the same wherever the message is met", () => {
  assert.match(PLAIN, /^[0-9a-f]{32}$/);
  const same = [
    `Return-Path: <x@y.test>\r\nReceived: by us\r\nX-Spam-Flag: YES\r\n${FIELDS}\r\n${BODY}`,
    `${FIELDS}X-Keywords: junk\r\n\r\n${BODY}`,
    `${FIELDS}\r\n${BODY}`.replaceAll("\r\n", "\n"),
    `${FIELDS}\r\n${BODY}\r\n\r\n`,
  ];
  for (const text of same) assert.equal(fingerprintOf(text), PLAIN, text);
});

Deno.test("messageFingerprint: another one for another message", () => {
  const others = [
    `${FIELDS}\r\n${BODY.replace("two", "three")}`,
    `${FIELDS.replace("<1@", "<2@")}\r\n${BODY}`,
    `${FIELDS.replace("ann", "bob")}\r\n${BODY}`,
    `${FIELDS.replace("a\r\n b", "c")}\r\n${BODY}`,
    `${FIELDS}\r\n${BODY.replace("\r\n\r\n", "\r\n")}`,
    FIELDS,
    BODY,
    "",
  ];
  assert.equal(new Set([PLAIN, ...others.map(fingerprintOf)]).size, others.length + 1);
});

Deno.test("messageFingerprint: takes any octets, and looks at the beginning of a long body", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    assert.match(messageFingerprint(octets, readHeaderSection(octets)), /^[0-9a-f]{32}$/);
  }));
  const long = `${FIELDS}\r\n${"x".repeat(300_000)}`;
  assert.equal(fingerprintOf(long), fingerprintOf(`${long}y`));
});
