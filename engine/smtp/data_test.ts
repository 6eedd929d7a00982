import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { queueIdGenerator } from "../mail/queue_id.ts";
import type { ExpandedRecipient } from "../routing/expand.ts";
import {
  composeMessage,
  copiedOctets,
  decideData,
  frontOf,
  HEADROOM_OCTETS,
  splitRecipients,
} from "./data.ts";
import type { ReadMessage } from "./message_reader.ts";
import { RoomyMessage } from "./roomy_message.ts";
import type { Client, Transaction } from "./session.ts";
import { ANN, owns, POLICY, STRANGER } from "./testdata/policy.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const ID = queueIdGenerator({ generator: 7, now: () => NOW_MS })();

function local(forwardPath: string): ExpandedRecipient {
  return { kind: "local", domain: "example.org", user: forwardPath.split("@")[0], forwardPath };
}

function remote(forwardPath: string, forwardedBy: string | null): ExpandedRecipient {
  return {
    kind: "remote",
    forwardPath,
    destination: forwardPath.split("@")[1],
    forwardedBy: forwardedBy === null ? null : { domain: forwardedBy },
  };
}

function transaction(named: readonly string[] = ["ann@example.org"]): Transaction {
  return {
    reversePath: "a@example.net",
    bodyType: "7bit",
    smtpUtf8: false,
    announcedOctets: 0,
    named: new Set(named),
    recipients: new Map(named.map((forwardPath) => [forwardPath, local(forwardPath)])),
  };
}

function decide(read: ReadMessage, client: Client = STRANGER) {
  return decideData(read, {
    client,
    policy: POLICY,
    owns,
    nowMs: NOW_MS,
    nonce: "nonce",
  });
}

function roomy(text: string): RoomyMessage {
  const content = Buffer.from(text, "latin1");
  const octets = new Uint8Array(HEADROOM_OCTETS + content.length);
  octets.set(content, HEADROOM_OCTETS);
  return new RoomyMessage(octets, {
    startOctet: HEADROOM_OCTETS,
    endOctet: octets.length,
    isEightBit: content.some((octet) => octet > 127),
  });
}

function message(text: string): ReadMessage {
  return { kind: "message", message: roomy(text) };
}

function compose(text: string, options: { named?: readonly string[]; onTop?: string } = {}) {
  const ours = transaction(options.named);
  const copy = {
    id: ID,
    reversePath: ours.reversePath,
    onTop: options.onTop ?? "",
    recipients: [...ours.recipients.values()],
  };
  const context = {
    transaction: ours,
    arrival: {
      client: STRANGER,
      heloName: "client.example",
      protocol: "ESMTPS",
      tls: { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" },
    },
    policy: POLICY,
    nowMs: NOW_MS,
    hold: null,
    clientName: null,
  };
  const front = frontOf(copy, context);
  return composeMessage(copy, { ...context, message: roomy(text), front, isLast: true });
}

function textOf({ octets }: { readonly octets: Uint8Array }): string {
  return Buffer.from(octets).toString("latin1");
}

Deno.test("composeMessage: puts one Received field on top and leaves all below as it came (RFC 5321 §4.4)", () => {
  const text = "Subject: \xe4\r\n\r\n.\r\nbody\r\n";
  const composed = compose(text, { onTop: "DKIM-Signature: v=1\r\n" });
  assert.equal(
    textOf(composed).replaceAll("\r\n\t", " "),
    `Received: from client.example ([192.0.2.1]) by mx.example.org with ESMTPS id ${ID} ` +
      "(TLSv1.3 TLS_AES_128_GCM_SHA256) for <ann@example.org>; Fri, 02 Jan 2026 03:04:05 +0000\r\n" +
      `DKIM-Signature: v=1\r\n${text}`,
  );
  const { octets: _, ...facts } = composed;
  assert.deepEqual(facts, {
    id: ID,
    acceptedAtMs: NOW_MS,
    reversePath: "a@example.net",
    bodyType: "8bitmime",
    smtpUtf8: false,
    clientAddress: "192.0.2.1",
    heloName: "client.example",
    hold: null,
    protocol: "ESMTPS",
    recipients: [{
      forwardPath: "ann@example.org",
      transport: "local",
      destination: "example.org",
    }],
  });
});

Deno.test("composeMessage: several recipients do not learn of each other (RFC 5321 §7.2)", () => {
  const composed = compose("\r\n", { named: ["ann@example.org", "bob@example.org"] });
  assert.doesNotMatch(textOf(composed), /ann|bob/);
});

Deno.test("composeMessage: eight-bit octets are announced though the client did not (RFC 6152 §3)", () => {
  assert.equal(compose("Subject: x\r\n\r\n\x7f\r\n").bodyType, "7bit");
  assert.equal(compose("Subject: x\r\n\r\n\x80\r\n").bodyType, "8bitmime");
});

Deno.test("copiedOctets: counts each copy, and the last one only if it finds no room in the message", () => {
  const message = roomy("Subject: x\r\n\r\n");
  const [small, large] = [message.roomOctets, message.roomOctets + 1].map((n) => new Uint8Array(n));
  const size = message.octets.length;
  assert.equal(copiedOctets(message, [small]), 0);
  assert.equal(copiedOctets(message, [large]), large.length + size);
  assert.equal(copiedOctets(message, [large, large, small]), 2 * (large.length + size));
});

Deno.test("composeMessage: an empty message is one", () => {
  assert.match(textOf(compose("")), /^Received: [^]*\r\n$/);
});

Deno.test("splitRecipients: what our domains forward goes apart, a copy for each domain", () => {
  const ann = local("ann@example.org");
  const relayed = remote("eve@elsewhere.test", null);
  const first = remote("x@elsewhere.test", "example.org");
  const second = remote("y@elsewhere.test", "example.net");
  const third = remote("z@elsewhere.test", "example.org");
  assert.deepEqual(splitRecipients([ann, first, relayed, second, third]), {
    direct: [ann, relayed],
    forwards: [
      { domain: "example.org", recipients: [first, third] },
      { domain: "example.net", recipients: [second] },
    ],
  });
});

Deno.test("decideData: a user's message is checked and mended, a stranger's is neither (RFC 6409 §8)", async () => {
  const bare = "From: ann@example.org\r\nBcc: bob@example.org\r\n\r\ntext\r\n";
  const mended = await decide(message(bare), ANN);
  assert.ok(mended.kind === "message");
  const text = textOf(mended.message);
  assert.match(text, /^Message-ID: <nonce@mx\.example\.org>\r$/im);
  assert.match(text, /^Date: Fri, 02 Jan 2026 03:04:05 \+0000\r$/im);
  assert.doesNotMatch(text, /bob/);
  assert.equal(mended.header.count("Date"), 1);
  const left = await decide(message(bare));
  assert.ok(left.kind === "message");
  assert.equal(textOf(left.message), bare);
  const foreign = await decide(message("From: boss@example.org\r\n\r\n"), ANN);
  assert.ok(foreign.kind === "refused");
  assert.equal(foreign.reply.code, 550);
});

Deno.test("decideData: mends a message where it lies", async () => {
  const read = message("From: ann@example.org\r\nBcc: bob@example.org\r\n\r\ntext\r\n");
  assert.ok(read.kind === "message");
  const { buffer, byteOffset, byteLength } = read.message.octets;
  const decision = await decide(read, ANN);
  assert.ok(decision.kind === "message");
  const { octets } = decision.message;
  assert.equal(octets.buffer, buffer);
  assert.equal(octets.byteOffset + octets.byteLength, byteOffset + byteLength);
});

Deno.test("decideData: too many Received fields are a loop, those in the body are not (RFC 5321 §6.3)", async () => {
  const hop = "received: from a by b; Fri, 02 Jan 2026 03:04:05 +0000\r\n";
  const passing = await decide(message(`${hop.repeat(5)}\r\n${hop.repeat(9)}`));
  assert.equal(passing.kind, "message");
  const looping = await decide(message(`Subject: x\r\n${hop.repeat(6)}\r\n`));
  assert.ok(looping.kind === "refused");
  assert.deepEqual([looping.reply.code, looping.reply.enhancedStatus], [554, "5.4.6"]);
});

Deno.test("decideData: says why what was read is no message", async () => {
  const replies = {
    too_large: "552 5.3.4",
    no_memory: "452 4.3.1",
    bare_line_end: "550 5.6.0",
    nul: "550 5.6.0",
  } as const;
  for (const [reason, expected] of Object.entries(replies)) {
    const decision = await decide({ kind: "refused", reason: reason as keyof typeof replies });
    assert.ok(decision.kind === "refused");
    assert.equal(`${decision.reply.code} ${decision.reply.enhancedStatus}`, expected);
  }
});
