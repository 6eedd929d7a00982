import assert from "node:assert/strict";
import fc from "fast-check";
import { anyText } from "../../tests/fixtures/any_text.ts";
import {
  deferred,
  failed,
  outcomeOfReply,
  outcomeWithoutHost,
  type ReplyContext,
} from "./outcome.ts";

const CONTEXTS: readonly ReplyContext[] = ["connect", "mail", "rcpt", "data"];
const CLASS = { delivered: "2", deferred: "4", failed: "5" };

Deno.test("outcomeOfReply: 2yz is done, 5yz final, all else passing (RFC 5321 §4.2.1)", () => {
  for (const context of CONTEXTS) {
    assert.equal(outcomeOfReply("250 ok", context).kind, "delivered");
    assert.equal(outcomeOfReply("450 busy", context).kind, "deferred");
    assert.equal(outcomeOfReply("550 no", context).kind, "failed");
    for (const odd of ["354 go on", "hello", "", "250x", "999 what", "100 hm"]) {
      assert.equal(outcomeOfReply(odd, context).kind, "deferred", odd);
    }
  }
});

Deno.test("outcomeOfReply: any text gives one bounded line whose class agrees with the kind", () => {
  const text = fc.oneof(
    anyText(),
    fc.tuple(
      fc.constantFrom("250", "450", "550", "421", "354"),
      fc.constantFrom(" ", "-", ""),
      fc.constantFrom("", "5.7.1 ", "2.0.0 ", "4.999.999 ", "5.0001.1 "),
      anyText({ maxLength: 900 }),
    ).map((parts) => parts.join("")),
  );
  fc.assert(fc.property(text, fc.constantFrom(...CONTEXTS), (reply, context) => {
    const { kind, enhancedStatus, diagnostic } = outcomeOfReply(reply, context);
    assert.match(enhancedStatus, /^[245]\.\d{1,3}\.\d{1,3}$/);
    assert.equal(enhancedStatus[0], CLASS[kind]);
    assert.ok(diagnostic.length <= 512);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(diagnostic, /[\x00-\x1f\x7f-\x9f]/);
    assert.ok(diagnostic.isWellFormed());
  }));
});

Deno.test("outcomeOfReply: keeps the peer's status but not its class (RFC 3463 §2)", () => {
  assert.deepEqual(outcomeOfReply("450 5.2.2 full", "rcpt"), {
    kind: "deferred",
    enhancedStatus: "4.2.2",
    diagnostic: "450 4.2.2 full",
  });
  assert.equal(outcomeOfReply("550 no", "rcpt").enhancedStatus, "5.1.0");
  assert.equal(outcomeOfReply("554 no", "data").enhancedStatus, "5.6.0");
});

Deno.test("outcomeOfReply: 552 to RCPT means too many for now (RFC 5321 §4.5.3.1.10)", () => {
  assert.equal(outcomeOfReply("552 too many recipients", "rcpt").kind, "deferred");
  assert.equal(outcomeOfReply("552 5.5.3 too many recipients", "rcpt").kind, "deferred");
  assert.equal(outcomeOfReply("552 5.2.2 mailbox full", "rcpt").kind, "failed");
  assert.equal(outcomeOfReply("552 too large", "mail").kind, "failed");
  assert.equal(outcomeOfReply("552 too large", "data").kind, "failed");
});

Deno.test("outcomeWithoutHost: only what the DNS is sure of is final", () => {
  const of = (kind: "null_mx" | "no_such_domain" | "no_mail_host" | "loops_to_us") =>
    outcomeWithoutHost({ kind }, "example.org").enhancedStatus;
  assert.equal(of("null_mx"), "5.1.10");
  assert.equal(of("no_such_domain"), "5.1.2");
  assert.equal(of("no_mail_host"), "5.4.4");
  assert.equal(of("loops_to_us"), "5.4.6");
  const away = outcomeWithoutHost({ kind: "tempfail", reason: "timeout" }, "example.org");
  assert.equal(away.kind, "deferred");
  assert.equal(away.enhancedStatus, "4.4.3");
});

Deno.test("deferred, failed: one line, whatever it was made of", () => {
  assert.equal(deferred("4.2", "a\r\n\0b").diagnostic, "a b");
  assert.equal(failed("4.2", "x".repeat(600)).diagnostic.length, 512);
});
