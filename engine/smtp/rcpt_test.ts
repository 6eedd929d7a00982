import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { reply } from "../mail/reply.ts";
import type { ExpandedRecipient, Expansion } from "../routing/expand.ts";
import { decideRcpt, parseRcpt } from "./rcpt.ts";
import type { Transaction } from "./session.ts";
import { POLICY } from "./testdata/policy.ts";

function transaction(facts: Partial<Transaction> = {}): Transaction {
  return {
    reversePath: "a@example.net",
    bodyType: "7bit",
    smtpUtf8: false,
    announcedOctets: 0,
    named: new Set(),
    recipients: new Map(),
    ...facts,
  };
}

function rcpt(argument: string, expansion: Expansion, options: {
  full?: "defer" | "refuse" | null;
  transaction?: Transaction;
  reserve?: (octets: number) => boolean;
} = {}) {
  const { reserve = () => true } = options;
  const context = { transaction: options.transaction ?? transaction(), policy: POLICY, reserve };
  const parsed = parseRcpt(Buffer.from(argument, "utf8"), context);
  if (parsed.kind === "refused") return parsed;
  return decideRcpt(parsed.path, { ...context, expansion, full: options.full ?? null });
}

function codes(decision: ReturnType<typeof rcpt>): string {
  return `${decision.reply.code} ${decision.reply.enhancedStatus}`;
}

const ANN: ExpandedRecipient = {
  kind: "local",
  domain: "example.org",
  user: "ann",
  forwardPath: "ann@example.org",
};
const MAILBOX: Expansion = { kind: "recipients", recipients: [ANN] };
const NO_SUCH_USER: Expansion = { kind: "refused", reply: reply(550, "1.1", "No such mailbox") };

Deno.test("parseRcpt: refuses with the codes of the fault (RFC 5321 §4.1.1.3, §4.1.1.11)", () => {
  const refusals: [string, string][] = [
    ["", "501 5.1.3"],
    ["<>", "501 5.1.3"],
    ["ann@example.org", "501 5.1.3"],
    [`<${"a".repeat(300)}@example.org>`, "501 5.1.3"],
    ["<дима@example.org>", "553 5.6.7"],
    ["<ann@example.org>NOTIFY=NEVER", "501 5.5.4"],
    ["<ann@example.org> X=1 X=1", "501 5.5.4"],
    ["<ann@example.org> NOTIFY=NEVER", "555 5.5.4"],
  ];
  for (const [argument, expected] of refusals) {
    assert.equal(codes(rcpt(argument, MAILBOX)), expected, argument);
  }
  const international = transaction({ smtpUtf8: true });
  assert.equal(
    rcpt("<дима@example.org>", MAILBOX, { transaction: international }).kind,
    "accepted",
  );
});

Deno.test("parseRcpt: the postmaster without a domain is the first local domain's (RFC 5321 §4.5.1)", () => {
  const parsed = parseRcpt(Buffer.from("<PostMaster>"), {
    transaction: transaction(),
    policy: POLICY,
  });
  assert.ok(parsed.kind === "path");
  assert.equal(parsed.path.domain, "example.org");
  assert.equal(parsed.path.mailbox, "postmaster@example.org");
});

Deno.test("decideRcpt: answers what the expansion found, or why it found nobody", () => {
  const group: Expansion = {
    kind: "recipients",
    recipients: [ANN, { ...ANN, user: "bob", forwardPath: "bob@example.org" }],
  };
  const accepted = rcpt("<all@example.org>", group);
  assert.ok(accepted.kind === "accepted");
  assert.deepEqual(accepted.recipients, group.recipients);
  assert.equal(codes(accepted), "250 2.1.5");
  assert.equal(codes(rcpt("<eve@example.org>", NO_SUCH_USER)), "550 5.1.1");
});

Deno.test("decideRcpt: a full mailbox is put off or refused, as its domain has it (RFC 3463 §3.3)", () => {
  assert.equal(codes(rcpt("<ann@example.org>", MAILBOX, { full: "defer" })), "452 4.2.2");
  assert.equal(codes(rcpt("<ann@example.org>", MAILBOX, { full: "refuse" })), "552 5.2.2");
});

Deno.test("decideRcpt: above the limit new recipients are put off, known ones are not (RFC 5321 §4.5.3.1.10)", () => {
  const filling = transaction({
    named: new Set(["a", "b", "c"].map((name) => `${name}@example.org`)),
  });
  assert.equal(codes(rcpt("<d@example.org>", MAILBOX, { transaction: filling })), "452 4.5.3");
  assert.equal(codes(rcpt("<b@EXAMPLE.org>", MAILBOX, { transaction: filling })), "250 2.1.5");
  // What will never do is told as such.
  assert.equal(codes(rcpt("<d@example.org>", NO_SUCH_USER, { transaction: filling })), "550 5.1.1");
});

Deno.test("decideRcpt: groups do not grow a transaction without end", () => {
  const crowd = Array.from({ length: 9_999 }, (_, n): [string, ExpandedRecipient] => [
    `u${n}@example.org`,
    { ...ANN, user: `u${n}`, forwardPath: `u${n}@example.org` },
  ]);
  const filling = transaction({ recipients: new Map(crowd) });
  assert.equal(codes(rcpt("<ann@example.org>", MAILBOX, { transaction: filling })), "250 2.1.5");
  filling.recipients.set("ann@example.org", ANN);
  assert.equal(codes(rcpt("<bob@example.org>", MAILBOX, { transaction: filling })), "452 4.5.3");
});

Deno.test("decideRcpt: recipients take memory by number and length, those known before take none", () => {
  const reservedFor = (
    argument: string,
    expansion: Expansion,
    known: Partial<Transaction> = {},
  ) => {
    let reserved = 0;
    const reserve = (octets: number) => {
      reserved += octets;
      return true;
    };
    const decision = rcpt(argument, expansion, { transaction: transaction(known), reserve });
    assert.equal(codes(decision), "250 2.1.5");
    return reserved;
  };
  const one = reservedFor("<ann@example.org>", MAILBOX);
  assert.ok(one > 200 && one < 400, `${one}`);
  const mailbox = `ann+${"x".repeat(230)}@example.org`;
  const long: Expansion = { kind: "recipients", recipients: [{ ...ANN, forwardPath: mailbox }] };
  assert.ok(reservedFor(`<${mailbox}>`, long) > 1_000);
  const crowd = Array.from(
    { length: 100 },
    (_, n) => ({ ...ANN, forwardPath: `u${n}@example.org` }),
  );
  assert.ok(reservedFor("<all@example.org>", { kind: "recipients", recipients: crowd }) > 10_000);
  const known = {
    named: new Set(["ann@example.org"]),
    recipients: new Map([[ANN.forwardPath, ANN]]),
  };
  assert.equal(reservedFor("<ann@example.org>", MAILBOX, known), 0);
});

Deno.test("decideRcpt: without memory it puts off, but says first what will never do (RFC 3463 §3.4)", () => {
  const reserve = () => false;
  assert.equal(codes(rcpt("<ann@example.org>", MAILBOX, { reserve })), "452 4.3.1");
  assert.equal(codes(rcpt("<eve@example.org>", NO_SUCH_USER, { reserve })), "550 5.1.1");
});
