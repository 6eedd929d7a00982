import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { queueIdGenerator } from "../mail/queue_id.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { ExpandedRecipient } from "../routing/expand.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import type { MessageJudgement, SessionJudge } from "./inbound.ts";
import { MemoryBudget, MemoryShare } from "./memory_budget.ts";
import { RoomyMessage } from "./roomy_message.ts";
import type { SessionServices } from "./session.ts";
import { takeMessage } from "./take_message.ts";
import { POLICY, STRANGER } from "./testdata/policy.ts";

const ROOM = 512;
const TEXT = `Subject: x\r\n\r\n${"text\r\n".repeat(100)}`;

function services(outgoing: Partial<SessionServices["outgoing"]> = {}) {
  const accepted: AcceptedMessage[] = [];
  const refused: string[] = [];
  const parts = {
    policy: POLICY,
    login: { owns: () => Promise.resolve(true) },
    recipients: { fullMailbox: () => Promise.resolve(null) },
    outgoing: {
      sign: () => Promise.resolve(""),
      seal: () => Promise.resolve(""),
      forwardingPath: (_path: string, domain: string) => Promise.resolve(`srs@${domain}`),
      ...outgoing,
    },
    accept: (messages: readonly AcceptedMessage[]) => {
      accepted.push(...messages);
      return Promise.resolve();
    },
    newQueueId: queueIdGenerator({ generator: 7, now: () => 0 }),
    now: () => 0,
    newNonce: () => "nonce",
    observer: { refused: (reason: string) => refused.push(reason), accepted: () => {} },
  };
  return { services: parts as unknown as SessionServices, accepted, refused };
}

/** Takes a message for a mailbox and for one recipient that each of these domains forwards to. */
async function take(
  domains: readonly string[],
  context: {
    readonly services: SessionServices;
    readonly memory?: MemoryShare;
    readonly judge?: SessionJudge;
  },
): Promise<Reply> {
  const recipients: ExpandedRecipient[] = [
    { kind: "local", domain: "example.org", user: "ann", forwardPath: "ann@example.org" },
    ...domains.map((domain): ExpandedRecipient => ({
      kind: "remote",
      forwardPath: `${domain}@elsewhere.test`,
      destination: "elsewhere.test",
      forwardedBy: { domain },
    })),
  ];
  const octets = new Uint8Array(ROOM + TEXT.length);
  octets.set(Buffer.from(TEXT), ROOM);
  const place = { startOctet: ROOM, endOctet: octets.length, isEightBit: false };
  return await takeMessage({ kind: "message", message: new RoomyMessage(octets, place) }, {
    transaction: {
      reversePath: "a@example.net",
      bodyType: "7bit",
      smtpUtf8: false,
      announcedOctets: TEXT.length,
      named: new Set(["ann@example.org"]),
      recipients: new Map(recipients.map((recipient) => [recipient.forwardPath, recipient])),
    },
    arrival: { client: STRANGER, heloName: "client.example", protocol: "ESMTP", tls: null },
    memory: context.memory ?? new MemoryShare(new MemoryBudget(1e6)),
    judge: context.judge ?? null,
    sessionId: "s",
    startedMs: 0,
  }, context.services);
}

Deno.test("takeMessage: seals for all forwarding domains at once, so that they wait for DNS together", async () => {
  const domains = ["one.test", "two.test", "three.test"];
  const sealing = new Set<string>();
  const { promise: allAreSealing, resolve } = Promise.withResolvers<void>();
  const { services: ours, accepted } = services({
    seal: async (_octets, { domain }) => {
      sealing.add(domain);
      if (sealing.size === domains.length) resolve();
      await allAreSealing;
      return `ARC-Seal: ${domain}\r\n`;
    },
  });
  assert.equal((await take(domains, { services: ours })).code, 250);
  assert.deepEqual(
    accepted.map(({ reversePath, octets }) => [
      reversePath,
      /^ARC-Seal: (.*)\r$/m.exec(Buffer.from(octets).toString())?.[1],
    ]),
    [
      ["a@example.net", undefined],
      ...domains.map((domain) => [`srs@${domain}`, domain]),
    ],
  );
});

Deno.test("takeMessage: copies come out of the budget; what it never holds is refused for good (RFC 3463 §3.4)", async () => {
  const budget = new MemoryBudget(4 * TEXT.length);
  const copiesOf = async (domains: readonly string[], heldByOthers: number) => {
    const { services: ours, accepted, refused } = services();
    const memory = new MemoryShare(budget);
    memory.reserve(ROOM + TEXT.length);
    budget.reserve(heldByOthers);
    const { code, enhancedStatus } = await take(domains, { services: ours, memory });
    memory.releaseAll();
    budget.release(heldByOthers);
    assert.equal(budget.usedOctets, 0);
    return [`${code} ${enhancedStatus}`, accepted.length, ...refused];
  };
  assert.deepEqual(await copiesOf([], 0), ["250 2.0.0", 1]);
  assert.deepEqual(await copiesOf(["one.test"], 0), ["250 2.0.0", 2]);
  assert.deepEqual(await copiesOf(["one.test"], 2 * TEXT.length), ["452 4.3.1", 0, "memory"]);
  const many = ["one.test", "two.test", "three.test", "four.test"];
  assert.deepEqual(await copiesOf(many, 0), ["552 5.3.4", 0, "size"]);
});

Deno.test("takeMessage: does as the judge says: refuses, or adds, removes and holds", async () => {
  const judge = (judgement: MessageJudgement) =>
    ({ message: () => Promise.resolve(judgement) }) as unknown as SessionJudge;
  const { services: ours, accepted, refused } = services();
  const spam: MessageJudgement = {
    kind: "refused",
    refusal: { reason: "spam", reply: reply(550, "7.1", "Spam") },
  };
  assert.equal((await take([], { services: ours, judge: judge(spam) })).code, 550);
  assert.deepEqual([accepted.length, refused], [0, ["spam"]]);
  const hold = { reason: "spam", explanation: "12 points", untilMs: 1 };
  const removed = [{ startOctet: 0, endOctet: "Subject: x\r\n".length }];
  const held: MessageJudgement = {
    kind: "accepted",
    clientName: "client.example",
    onTop: "X-Spam: yes\r\n",
    removed,
    hold,
  };
  await take(["one.test"], { services: ours, judge: judge(held) });
  for (const message of accepted) {
    assert.deepEqual(message.hold, hold);
    const text = Buffer.from(message.octets).toString();
    assert.match(
      text,
      /^Received: from client\.example \(client\.example \[[^]*\r\nX-Spam: yes\r\n\r\ntext\r\n/,
    );
  }
  assert.equal(accepted.length, 2);
});
