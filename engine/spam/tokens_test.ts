import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { readHeaderSection } from "../mail/header_section.ts";
import { readContent } from "./read_content.ts";
import { MAX_TOKENS } from "./token_set.ts";
import { tokensOf } from "./tokens.ts";

function tokens(message: string | Uint8Array): Set<number> {
  const octets = typeof message === "string" ? new Uint8Array(Buffer.from(message)) : message;
  const header = readHeaderSection(octets);
  return new Set(tokensOf({ header, content: readContent(octets, header) }));
}

const PLAIN =
  "From: Ann <ann@example.org>\r\nSubject: Lunch\r\nMessage-ID: <1.2@example.org>\r\n\r\n";

/** Tokens of the second that the first has not. */
function added(before: string, after: string): number {
  const known = tokens(before);
  return [...tokens(after)].filter((id) => !known.has(id)).length;
}

Deno.test("tokensOf: fields of the way and of the mailbox it lay in make no tokens", () => {
  const trace = "Received: from a.example by b.example; Fri, 02 Jan 2026 03:04:05 +0000\r\n" +
    "Delivered-To: bob@example.net\r\nX-Spam-Status: Yes, score=9\r\nStatus: RO\r\n" +
    "Authentication-Results: mx.example.net; spf=pass\r\nX-Keywords: \r\n";
  assert.deepEqual(tokens(trace + PLAIN + "Hello"), tokens(PLAIN + "Hello"));
  assert.ok(added(PLAIN + "Hello", "X-Campaign: 7\r\n" + PLAIN + "Hello") > 0);
});

Deno.test("tokensOf: who it is for makes no tokens, how many they are does", () => {
  const to = (addresses: string) => tokens(`To: ${addresses}\r\n${PLAIN}Hello`);
  assert.deepEqual(to("bob@example.net"), to("eve@example.com"));
  assert.notDeepEqual(to("bob@example.net"), to("bob@example.net, eve@example.com"));
});

Deno.test("tokensOf: subject, sender, body and links of the same word are different tokens", () => {
  assert.ok(added(PLAIN + "Lunch", PLAIN + "Lunch and dinner") > 0);
  assert.ok(added(PLAIN, PLAIN + "Lunch") > 0);
  assert.ok(added(PLAIN + "x", PLAIN + "https://shop.example/offer") >= 3);
});

Deno.test("tokensOf: words are the same however they are encoded", () => {
  const mime = (encoding: string, body: string) =>
    tokens(
      `${PLAIN.trimEnd()}\r\nContent-Transfer-Encoding: ${encoding}\r\n` +
        `Content-Type: text/plain; charset=utf-8\r\n\r\n${body}`,
    );
  const plain = mime("8bit", "Grüße aus Köln");
  const base64 = mime("base64", Buffer.from("Grüße aus Köln").toString("base64"));
  // They differ in the token of the encoding alone.
  assert.equal([...plain].filter((id) => !base64.has(id)).length, 1);
  const encoded = tokens(PLAIN.replace("Lunch", "=?utf-8?Q?Lunch?="));
  assert.deepEqual(encoded, tokens(PLAIN));
});

Deno.test("tokensOf: bounded for any message, and cutting one anywhere is no trouble", () => {
  const html = PLAIN.trimEnd() + "\r\nContent-Type: text/html\r\n\r\n" +
    Array.from({ length: 3_000 }, (_, at) => `<a href="http://h${at}.example/p${at}">w${at}</a>`)
      .join(" ");
  const octets = new Uint8Array(Buffer.from(html));
  assert.ok(tokens(octets).size <= MAX_TOKENS);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2_000 }), (end) => {
      assert.ok(tokens(octets.subarray(0, end)).size <= MAX_TOKENS);
    }),
    { numRuns: 50 },
  );
});
