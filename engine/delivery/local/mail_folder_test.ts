import assert from "node:assert/strict";
import fc from "fast-check";
import { mailFolderOf } from "./mail_folder.ts";

function folderOf(...lines: string[]): string {
  return mailFolderOf(new TextEncoder().encode([...lines, "", "body"].join("\r\n")));
}

const RECEIVED = "Received: from mx.test (mx.test [192.0.2.1])\r\n\tby mail.example.org; now";

Deno.test("mailFolderOf: junk where we tagged it, with whatever else we put on top", () => {
  assert.equal(folderOf(RECEIVED, "X-Spam-Flag: YES", "From: a@b.test"), "junk");
  assert.equal(
    folderOf(RECEIVED, "X-Spam-Score: 9.1", "X-Spam-Flag:yes", "From: a@b.test"),
    "junk",
  );
  assert.equal(
    folderOf(
      "Return-Path: <a@b.test>",
      "Delivered-To: ann@example.org",
      RECEIVED,
      "ARC-Seal: i=1",
      "Authentication-Results: mail.example.org; spf=pass",
      "X-Spam-Status: Yes",
      "X-SPAM-FLAG:  YES ",
      "Received: from elsewhere",
    ),
    "junk",
  );
});

Deno.test("mailFolderOf: inbox where we did not, whatever the sender says", () => {
  assert.equal(folderOf("From: a@b.test"), "inbox");
  assert.equal(folderOf(RECEIVED, "X-Spam-Flag: NO", "X-Spam-Flag: YES"), "inbox");
  assert.equal(folderOf(RECEIVED, "From: a@b.test", "X-Spam-Flag: YES"), "inbox");
  assert.equal(folderOf(RECEIVED, "Received: from elsewhere", "X-Spam-Flag: YES"), "inbox");
  assert.equal(folderOf(RECEIVED, "X-Spam-Flag: YESTERDAY"), "inbox");
  assert.equal(folderOf(RECEIVED, "X-Spam-Flagged: YES"), "inbox");
  assert.equal(folderOf(`X-Spam-Report: ${"x".repeat(9_000)}`, "X-Spam-Flag: YES"), "inbox");
});

Deno.test("mailFolderOf: takes any octets", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
    assert.ok(["inbox", "junk"].includes(mailFolderOf(octets)));
  }));
});
