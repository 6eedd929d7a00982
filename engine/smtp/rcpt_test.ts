import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { DirectoryAnswer } from "../routing/route.ts";
import { decideRcpt, parseRcpt } from "./rcpt.ts";
import type { Client, Transaction } from "./session.ts";
import { POLICY, STRANGER } from "./testdata/policy.ts";

function transaction(facts: Partial<Transaction> = {}): Transaction {
  return {
    reversePath: "a@example.net",
    bodyType: "7bit",
    smtpUtf8: false,
    announcedOctets: 0,
    recipients: new Map(),
    ...facts,
  };
}

function rcpt(argument: string, answer: DirectoryAnswer, options: {
  client?: Partial<Client>;
  transaction?: Transaction;
} = {}) {
  const context = { transaction: options.transaction ?? transaction(), policy: POLICY };
  const parsed = parseRcpt(Buffer.from(argument, "utf8"), context);
  if (parsed.kind === "refused") return parsed;
  const client = { ...STRANGER, ...options.client };
  return decideRcpt(parsed.path, { ...context, client, answer });
}

function codes(decision: ReturnType<typeof rcpt>): string {
  return `${decision.reply.code} ${decision.reply.enhancedStatus}`;
}

const MAILBOX: DirectoryAnswer = { kind: "mailbox", user: "ann" };
const NOT_LOCAL: DirectoryAnswer = { kind: "not_local" };
const NO_SUCH_USER: DirectoryAnswer = { kind: "no_such_user" };

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

Deno.test("decideRcpt: local, relayed, unknown or refused, as the directory and the client stand", () => {
  const local = rcpt("<ann@example.org>", MAILBOX);
  assert.ok(local.kind === "accepted");
  assert.deepEqual(local.recipient, {
    forwardPath: "ann@example.org",
    transport: "local",
    destination: "example.org",
  });
  assert.equal(codes(local), "250 2.1.5");
  assert.equal(codes(rcpt("<bob@example.org>", NO_SUCH_USER)), "550 5.1.1");
  assert.equal(codes(rcpt("<bob@example.net>", NOT_LOCAL)), "550 5.7.1");
  const relayed = rcpt("<bob@example.net>", NOT_LOCAL, { client: { mayRelay: true } });
  assert.ok(relayed.kind === "accepted");
  assert.deepEqual(relayed.recipient, {
    forwardPath: "bob@example.net",
    transport: "smtp",
    destination: "example.net",
  });
});

Deno.test("decideRcpt: above the limit new recipients are put off, known ones are not (RFC 5321 §4.5.3.1.10)", () => {
  const filling = transaction();
  for (const name of ["a", "b", "c"]) {
    const decision = rcpt(`<${name}@example.org>`, MAILBOX, { transaction: filling });
    assert.ok(decision.kind === "accepted");
    filling.recipients.set(decision.recipient.forwardPath, decision.recipient);
  }
  assert.equal(codes(rcpt("<d@example.org>", MAILBOX, { transaction: filling })), "452 4.5.3");
  assert.equal(codes(rcpt("<b@EXAMPLE.org>", MAILBOX, { transaction: filling })), "250 2.1.5");
  // What will never do is told as such.
  assert.equal(codes(rcpt("<d@example.org>", NO_SUCH_USER, { transaction: filling })), "550 5.1.1");
});
