import assert from "node:assert/strict";
import { lessonOf } from "./lesson.ts";

Deno.test("lessonOf: what delivery puts on top teaches nothing", () => {
  const lesson = (text: string) => lessonOf(new TextEncoder().encode(text));
  const text =
    "From: ann@example.com\r\nSubject: lunch\r\n\r\nAre you free for lunch tomorrow?\r\n";
  const plain = lesson(text);
  assert.ok(plain.tokens.length > 5);
  assert.equal(new Set(plain.tokens).size, plain.tokens.length);
  const delivered = lesson(
    "Return-Path: <ann@example.com>\r\nDelivered-To: bob@example.org\r\n" +
      "Received: from mx.test by mail.example.org; now\r\n" +
      "Authentication-Results: mail.example.org; spf=pass\r\nX-Spam-Flag: YES\r\n" +
      `X-Spam-Score: 9.9\r\n${text}`,
  );
  assert.equal(delivered.fingerprint, plain.fingerprint);
  assert.deepEqual(delivered.tokens.toSorted(), plain.tokens.toSorted());
});
