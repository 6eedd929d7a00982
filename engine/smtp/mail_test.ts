import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decideMail } from "./mail.ts";
import type { Client } from "./session.ts";
import { ANN, owns, POLICY, STRANGER } from "./testdata/policy.ts";

function mail(argument: string, client: Partial<Client> = {}, isFull = false) {
  return decideMail(Buffer.from(argument, "utf8"), {
    client: { ...STRANGER, ...client },
    policy: POLICY,
    owns,
    isFull,
  });
}

async function codes(deciding: ReturnType<typeof decideMail>): Promise<string> {
  const decision = await deciding;
  return `${decision.reply.code} ${decision.reply.enhancedStatus}`;
}

Deno.test("decideMail: begins a transaction with what the parameters say (RFC 1870, RFC 6152, RFC 6531)", async () => {
  const decision = await mail("<дима@example.org> size=1234 BODY=8bitmime SMTPUTF8");
  assert.ok(decision.kind === "begun");
  assert.deepEqual(decision.transaction, {
    reversePath: "дима@example.org",
    bodyType: "8bitmime",
    smtpUtf8: true,
    announcedOctets: 1234,
    named: new Set(),
    recipients: new Map(),
  });
  const plain = await mail("<>");
  assert.ok(plain.kind === "begun");
  assert.deepEqual(plain.transaction, {
    reversePath: "",
    bodyType: "7bit",
    smtpUtf8: false,
    announcedOctets: 0,
    named: new Set(),
    recipients: new Map(),
  });
});

Deno.test("decideMail: refuses with the codes of the fault", async () => {
  const refusals: [string, string][] = [
    ["", "501 5.1.7"],
    ["a@example.org", "501 5.1.7"],
    [`<${"a".repeat(300)}@example.org>`, "501 5.1.7"],
    ["<дима@example.org>", "553 5.6.7"],
    ["<a@example.org>SIZE=1", "501 5.5.4"],
    ["<a@example.org> SIZE=1 SIZE=1", "501 5.5.4"],
    ["<a@example.org> SIZE", "501 5.5.4"],
    ["<a@example.org> SIZE=0x10", "501 5.5.4"],
    ["<a@example.org> SIZE=10001", "552 5.3.4"],
    ["<a@example.org> BODY", "501 5.5.4"],
    ["<a@example.org> BODY=BINARYMIME", "501 5.5.4"],
    ["<a@example.org> SMTPUTF8=yes", "501 5.5.4"],
    ["<a@example.org> RET=FULL", "555 5.5.4"],
    ["<a@example.org> AUTH=<>", "555 5.5.4"],
  ];
  for (const [argument, expected] of refusals) {
    const decision = mail(argument);
    assert.equal((await decision).kind, "refused", argument);
    assert.equal(await codes(decision), expected, argument);
  }
  assert.equal((await mail("<a@example.org> SIZE=10000")).kind, "begun");
});

Deno.test("decideMail: on submission only those who may relay begin (RFC 6409 §4.3)", async () => {
  for (const listener of ["submission", "smtps"] as const) {
    assert.equal(await codes(mail("<a@example.org>", { listener })), "530 5.7.0");
    assert.equal((await mail("<a@example.org>", { listener, mayRelay: true })).kind, "begun");
  }
});

Deno.test("decideMail: with memory full it puts off, but says first what will never do", async () => {
  assert.equal(await codes(mail("<a@example.org>", {}, true)), "452 4.3.1");
  assert.equal(await codes(mail("<a@example.org> SIZE=10001", {}, true)), "552 5.3.4");
});

Deno.test("decideMail: octets of any kind never throw", async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (octets) => {
    await decideMail(octets, { client: STRANGER, policy: POLICY, owns, isFull: false });
  }));
});

Deno.test("decideMail: who logged in sends as himself, as what he was granted, or as nobody (RFC 6409 §6.1)", async () => {
  for (const path of ["ann@example.org", "ANN@EXAMPLE.ORG", "ann+x@example.org"]) {
    assert.equal(await codes(mail(`<${path}>`, ANN)), "250 2.1.0", path);
  }
  assert.equal(await codes(mail("<sales@example.org>", ANN)), "250 2.1.0");
  assert.equal(await codes(mail("<>", ANN)), "250 2.1.0");
  for (const path of ["bob@example.org", "ann@example.net", "annx@example.org", "an@example.org"]) {
    assert.equal(await codes(mail(`<${path}>`, ANN)), "553 5.7.1", path);
  }
  assert.equal(await codes(mail("<ann@example.org> AUTH=<>", ANN)), "250 2.1.0");
  assert.equal(await codes(mail("<ann@example.org> AUTH=<>")), "555 5.5.4");
});
