import assert from "node:assert/strict";
import fc from "fast-check";
import { formatReply } from "../mail/reply.ts";
import { memoryMeters } from "../store/memory_meters.ts";
import {
  connectionClaims,
  type RateClaim,
  type RatedRecipient,
  type RateLimits,
  rateRefusal,
  type RateRule,
  recipientClaims,
} from "./rate_limits.ts";

const OFF: RateLimits = {
  connections_per_ip: null,
  connections_per_net: null,
  messages_per_ip: null,
  messages_per_net: null,
  messages_per_sender_domain: null,
  messages_per_recipient: null,
  recipients_per_ip: null,
  recipients_per_net: null,
  recipients_per_sender_domain: null,
};
const RULES = Object.keys(OFF) as RateRule[];

const recipient: RatedRecipient = {
  address: "192.0.2.1",
  reversePath: "Ann@Sender.example",
  isSenderProven: true,
  mailbox: "bob@example.org",
  isFirst: true,
};

/** Meters of a test's own, asked under one limit of two a minute. */
function limited(rule: RateRule) {
  const clock = { nowMs: 1_700_000_000_000 };
  const meters = memoryMeters({ now: () => clock.nowMs });
  const limits = { ...OFF, [rule]: { count: 2, periodMs: 60_000 } };
  const ask = async (claims: readonly RateClaim[]) =>
    rateRefusal(claims, await meters.pass(claims));
  const connect = (address: string) => ask(connectionClaims(address, limits));
  const name = (change: Partial<RatedRecipient> = {}) =>
    ask(recipientClaims({ ...recipient, ...change }, limits));
  return { clock, connect, name };
}

/** What a third one is told. */
async function third(rule: RateRule): Promise<string> {
  const { connect, name } = limited(rule);
  const once = () => rule.startsWith("connections") ? connect(recipient.address) : name();
  assert.equal(await once(), null);
  assert.equal(await once(), null);
  const refusal = await once();
  assert.equal(refusal?.rule, rule);
  assert.equal(refusal.retryAfterMs, 30_000);
  return formatReply(refusal.reply).trimEnd();
}

Deno.test("rateRefusal: names the rule and says when to come again (RFC 5321 §4.2.2)", async () => {
  const told = Object.fromEntries(
    await Promise.all(RULES.map(async (rule) => [rule, await third(rule)])),
  );
  const after = "try again in 30 seconds";
  assert.deepEqual(told, {
    connections_per_ip: `421 4.7.0 Too many connections, ${after}`,
    connections_per_net: `421 4.7.0 Too many connections, ${after}`,
    messages_per_ip: `450 4.7.1 Too many messages from your network, ${after}`,
    messages_per_net: `450 4.7.1 Too many messages from your network, ${after}`,
    messages_per_sender_domain: `450 4.7.1 Too many messages from the sender's domain, ${after}`,
    messages_per_recipient: `450 4.7.1 Too many messages for this recipient, ${after}`,
    recipients_per_ip: `450 4.7.1 Too many recipients from your network, ${after}`,
    recipients_per_net: `450 4.7.1 Too many recipients from your network, ${after}`,
    recipients_per_sender_domain:
      `450 4.7.1 Too many recipients from the sender's domain, ${after}`,
  });
});

Deno.test("rateRefusal: long waits are told in minutes, none is told as nothing", () => {
  const claims = connectionClaims("192.0.2.1", {
    ...OFF,
    connections_per_ip: { count: 1, periodMs: 1_000 },
  });
  const told = (retryAfterMs: number) =>
    rateRefusal(claims, { kind: "refused", claim: 0, retryAfterMs })!.reply.text.split(" in ")[1];
  assert.deepEqual([1, 1_000, 1_001, 120_000, 120_001, 3_600_000].map(told), [
    ...["1 second", "1 second", "2 seconds", "120 seconds", "3 minutes", "60 minutes"],
  ]);
});

Deno.test("rateRefusal: once the time is over it passes again", async () => {
  const { clock, name } = limited("messages_per_ip");
  await name();
  await name();
  const refusal = await name();
  assert.ok(refusal !== null);
  clock.nowMs += refusal.retryAfterMs - 1;
  assert.ok(await name() !== null);
  clock.nowMs += 1;
  assert.equal(await name(), null);
});

/** Whether someone who did his two keeps the other one out. */
async function sharesWith(rule: RateRule, other: Partial<RatedRecipient>): Promise<boolean> {
  const { connect, name } = limited(rule);
  const once = (change: Partial<RatedRecipient>) =>
    rule.startsWith("connections")
      ? connect(change.address ?? recipient.address)
      : name({ ...change });
  await once({});
  await once({});
  return await once(other) !== null;
}

Deno.test("claims: each limit is of what its name says, and of nothing else", async () => {
  const others: readonly (Partial<RatedRecipient> & { readonly name: string })[] = [
    { name: "address in the net", address: "192.0.2.200" },
    { name: "address elsewhere", address: "198.51.100.1" },
    { name: "sender of the domain", reversePath: "zoe@sender.example" },
    { name: "other domain", reversePath: "ann@other.example" },
    { name: "no reverse-path", reversePath: "" },
    { name: "forged", isSenderProven: false },
    { name: "mailbox in capitals", mailbox: "Bob@example.org" },
    { name: "other mailbox", mailbox: "bo@example.org" },
    { name: "second recipient", isFirst: false },
  ];
  const shared = async (rule: RateRule) => {
    const hits = await Promise.all(others.map((other) => sharesWith(rule, other)));
    return others.filter((_, at) => !hits[at]).map(({ name }) => name);
  };
  const free = Object.fromEntries(
    await Promise.all(RULES.map(async (rule) => [rule, await shared(rule)])),
  );
  const addresses = ["address in the net", "address elsewhere"];
  const senders = ["other domain", "no reverse-path", "forged"];
  assert.deepEqual(free, {
    connections_per_ip: addresses,
    connections_per_net: addresses.slice(1),
    messages_per_ip: [...addresses, "second recipient"],
    messages_per_net: [...addresses.slice(1), "second recipient"],
    messages_per_sender_domain: [...senders, "second recipient"],
    messages_per_recipient: ["other mailbox"],
    recipients_per_ip: addresses,
    recipients_per_net: addresses.slice(1),
    recipients_per_sender_domain: senders,
  });
});

Deno.test("claims: the null reverse-path is of no domain (RFC 5321 §4.5.5)", async () => {
  for (const rule of ["messages_per_sender_domain", "recipients_per_sender_domain"] as const) {
    assert.equal(await sharesWith(rule, { reversePath: "" }), false);
    const { name } = limited(rule);
    for (let i = 0; i < 5; i++) assert.equal(await name({ reversePath: "" }), null);
  }
});

Deno.test("claims: of IPv6 the /64 counts as one client, and the /48 as its network", async () => {
  const busy = { address: "2001:db8:1:2::1" };
  const passes = async (rule: RateRule, address: string) => {
    const { name } = limited(rule);
    await name(busy);
    await name(busy);
    return await name({ address }) === null;
  };
  assert.equal(await passes("messages_per_ip", "2001:db8:1:2:ffff::1"), false);
  assert.equal(await passes("messages_per_ip", "2001:db8:1:3::1"), true);
  assert.equal(await passes("messages_per_net", "2001:db8:1:ffff::1"), false);
  assert.equal(await passes("messages_per_net", "2001:db8:2:2::1"), true);
});

Deno.test("claims: a limit that keeps a recipient out leaves the others as they were", async () => {
  const meters = memoryMeters({ now: () => 0 });
  const limits = {
    ...OFF,
    messages_per_ip: { count: 3, periodMs: 60_000 },
    messages_per_recipient: { count: 1, periodMs: 60_000 },
  };
  const name = async (mailbox: string) => {
    const claims = recipientClaims({ ...recipient, mailbox }, limits);
    return rateRefusal(claims, await meters.pass(claims))?.rule ?? null;
  };
  assert.equal(await name("a@example.org"), null);
  for (let i = 0; i < 5; i++) assert.equal(await name("a@example.org"), "messages_per_recipient");
  assert.equal(await name("b@example.org"), null);
  assert.equal(await name("c@example.org"), null);
  assert.equal(await name("d@example.org"), "messages_per_ip");
});

Deno.test("claims: whatever is named, keys are short printable ASCII", () => {
  const all = Object.fromEntries(RULES.map((rule) => [rule, { count: 1, periodMs: 1_000 }]));
  const limits = all as unknown as RateLimits;
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.constantFrom("192.0.2.1", "2001:db8::1", "é".repeat(300)),
  );
  fc.assert(
    fc.property(text, text, text, fc.boolean(), (address, reversePath, mailbox, isFirst) => {
      const facts = { address, reversePath, mailbox, isFirst, isSenderProven: isFirst };
      for (
        const { key } of [...connectionClaims(address, limits), ...recipientClaims(facts, limits)]
      ) {
        assert.match(key, /^[!-~]{1,128}$/);
      }
    }),
  );
});
