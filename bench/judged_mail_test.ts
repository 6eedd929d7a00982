import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { makeJudgedMail } from "./judged_mail.ts";

Deno.test("makeJudgedMail: letters are of the size wanted, signed, different, and need no stuffing", async () => {
  using mail = await makeJudgedMail({
    senderDomains: 3,
    keys: 1,
    recipient: "sink@judged.test",
    sizeOctets: 5120,
    nowMs: Date.UTC(2026, 0, 2),
  });
  const letters = await Promise.all([1, 2, 3, 4].map(() => mail.write()));
  assert.deepEqual(
    letters.map(({ from }) => from),
    [0, 1, 2, 0].map((at) => `ann@sender${at}.test`),
  );
  const texts = letters.map(({ message }) => Buffer.from(message).toString());
  assert.equal(new Set(texts).size, 4);
  for (const [at, text] of texts.entries()) {
    assert.match(text, /^DKIM-Signature: v=1; a=rsa-sha256;/);
    assert.equal(letters[at].octets, text.length);
    assert.ok(
      Math.abs(text.slice(text.indexOf("\r\nFrom:")).length - 5120) < 150,
      `${text.length}`,
    );
    assert.ok(text.endsWith("\r\n") && !/\r\n\./.test(text) && !/[^\r]\n/.test(text));
    assert.ok(text.split("\r\n").every((line) => line.length <= 200));
  }
  const forged = await mail.write({ isForged: true });
  assert.equal(forged.from, "ann@forged.test");
  assert.ok(!Buffer.from(forged.message).toString().includes("DKIM-Signature"));
  assert.match(
    mail.zones.test,
    /^k1\._domainkey\.sender2\.test\. TXT "v=DKIM1; k=rsa; p=[^"]+" "[^"]+"$/m,
  );
  assert.notEqual(mail.example("ham"), mail.example("spam"));
});
