import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import { formatReply, intermediateReply, parseReply, reply, severityOf } from "./reply.ts";

Deno.test("reply: takes severity and class digit from the code (RFC 3463 §3.1)", () => {
  assert.deepEqual(reply(250, "1.5", "Fine"), {
    severity: "ok",
    code: 250,
    enhancedStatus: "2.1.5",
    text: "Fine",
  });
  assert.equal(reply(451, "3.0", "").enhancedStatus, "4.3.0");
  assert.equal(reply(550, "1.1", "").severity, "permanent");
  assert.equal(reply(220, null, "hi").enhancedStatus, null);
  assert.equal(intermediateReply(354, "Go ahead").severity, "intermediate");
});

Deno.test("formatReply: every line bears code and status, and none runs over (RFC 2034 §4)", () => {
  assert.equal(formatReply(reply(250, "1.5", "Fine")), "250 2.1.5 Fine\r\n");
  assert.equal(formatReply(reply(550, "7.1", "No\nSorry")), "550-5.7.1 No\r\n550 5.7.1 Sorry\r\n");
  assert.equal(formatReply(intermediateReply(354, "Go\rü")), "354 Go??\r\n");
  assert.equal(formatReply(reply(250, null, "x".repeat(2000))).length, 512);
});

Deno.test("parseReply: reads one line and several", () => {
  assert.deepEqual(parseReply("550 5.1.1 <a@b>: unknown"), {
    severity: "permanent",
    code: 550,
    enhancedStatus: "5.1.1",
    text: "<a@b>: unknown",
  });
  assert.deepEqual(parseReply("550-5.7.1 Blocked.\r\n550-5.7.1 See\r\n550 5.7.1 https://x"), {
    severity: "permanent",
    code: 550,
    enhancedStatus: "5.7.1",
    text: "Blocked. See https://x",
  });
  assert.deepEqual(parseReply("250"), {
    severity: "ok",
    code: 250,
    enhancedStatus: null,
    text: "",
  });
  assert.equal(parseReply("250 2.0.0: queued")?.text, "queued");
});

Deno.test("parseReply: the status follows the code when a server contradicts itself", () => {
  assert.equal(parseReply("450 5.1.1 later")?.enhancedStatus, "4.1.1");
  assert.equal(parseReply("550 4.07.001 x")?.enhancedStatus, "5.7.1");
  assert.equal(parseReply("354 2.0.0 go")?.enhancedStatus, null);
});

Deno.test("parseReply: takes no number for a status that is none", () => {
  for (const text of ["550 5.1 x", "550 5.1.1.1 x", "550 192.0.2.1 blocked", "550 5.7.1000 x"]) {
    assert.equal(parseReply(text)?.enhancedStatus, null, text);
  }
  for (const text of ["", "hello", "5501 x", "150 x", "650 x", "\n250 x"]) {
    assert.equal(parseReply(text), null, text);
  }
});

Deno.test("parseReply: cleans and bounds what the server said", () => {
  assert.equal(parseReply("550 a\u001b[2J\u0000b\u202ec\rd")?.text, "a [2J b c d");
  assert.equal(parseReply("550 " + "x".repeat(10_000))?.text.length, 512);
});

Deno.test("parseReply: reads back what formatReply writes; no input throws", () => {
  const said = fc.string({ unit: fc.constantFrom(..."ab 5.1-<>"), minLength: 1, maxLength: 40 })
    .map((text) => `x${text.replace(/ +/g, " ").trim()}`);
  fc.assert(fc.property(fc.constantFrom(250, 451, 550 as const), said, (code, text) => {
    const read = parseReply(formatReply(reply(code, "7.1", text)).trimEnd());
    assert.deepEqual(read, {
      severity: severityOf(code),
      code,
      enhancedStatus: `${Math.floor(code / 100)}.7.1`,
      text,
    });
  }));
  fc.assert(fc.property(anyText(), (text) => {
    for (const wire of [text, `550 ${text}`, `450-4.2.1 ${text}\n450 ${text}`]) {
      const read = parseReply(wire);
      if (read === null) continue;
      assert.doesNotMatch(read.text, /\p{Cc}/u);
      assert.ok(read.enhancedStatus === null || read.enhancedStatus[0] === wire[0]);
    }
  }));
});
