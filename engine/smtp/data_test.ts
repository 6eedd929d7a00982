import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { queueIdGenerator } from "../mail/queue_id.ts";
import type { ExpandedRecipient } from "../routing/expand.ts";
import { composeMessage, decideData, headroomOctets, splitRecipients } from "./data.ts";
import { type ReadMessage, RoomyMessage } from "./message_reader.ts";
import type { Client, Transaction } from "./session.ts";
import { ANN, POLICY, STRANGER } from "./testdata/policy.ts";

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
    bodyType: "8bitmime",
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
    nowMs: NOW_MS,
    nonce: "nonce",
  });
}

function roomy(text: string): RoomyMessage {
  const content = Buffer.from(text, "latin1");
  const headroom = headroomOctets(STRANGER);
  const octets = new Uint8Array(headroom + content.length);
  octets.set(content, headroom);
  return new RoomyMessage(octets, headroom, octets.length);
}

function message(text: string): ReadMessage {
  return { kind: "message", message: roomy(text) };
}

function compose(text: string, options: { named?: readonly string[]; onTop?: string } = {}) {
  const ours = transaction(options.named);
  return composeMessage({
    id: ID,
    reversePath: ours.reversePath,
    onTop: options.onTop ?? "",
    recipients: [...ours.recipients.values()],
  }, {
    message: roomy(text),
    isLast: true,
    transaction: ours,
    arrival: {
      client: STRANGER,
      heloName: "client.example",
      protocol: "ESMTPS",
      tls: { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" },
    },
    policy: POLICY,
    nowMs: NOW_MS,
  });
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

Deno.test("decideData: a user's message is checked and mended, a stranger's is neither (RFC 6409 §8)", () => {
  const bare = "From: ann@example.org\r\nBcc: bob@example.org\r\n\r\ntext\r\n";
  const mended = decide(message(bare), ANN);
  assert.ok(mended.kind === "message");
  const text = textOf(mended.message);
  assert.match(text, /^Message-ID: <nonce@mx\.example\.org>\r$/im);
  assert.match(text, /^Date: Fri, 02 Jan 2026 03:04:05 \+0000\r$/im);
  assert.doesNotMatch(text, /bob/);
  assert.equal(mended.header.count("Date"), 1);
  const left = decide(message(bare));
  assert.ok(left.kind === "message");
  assert.equal(textOf(left.message), bare);
  const foreign = decide(message("From: boss@example.org\r\n\r\n"), ANN);
  assert.ok(foreign.kind === "refused");
  assert.equal(foreign.reply.code, 550);
});

Deno.test("decideData: too many Received fields are a loop, those in the body are not (RFC 5321 §6.3)", () => {
  const hop = "received: from a by b; Fri, 02 Jan 2026 03:04:05 +0000\r\n";
  assert.equal(decide(message(`${hop.repeat(5)}\r\n${hop.repeat(9)}`)).kind, "message");
  const looping = decide(message(`Subject: x\r\n${hop.repeat(6)}\r\n`));
  assert.ok(looping.kind === "refused");
  assert.deepEqual([looping.reply.code, looping.reply.enhancedStatus], [554, "5.4.6"]);
});

Deno.test("decideData: says why what was read is no message", () => {
  const replies = {
    too_large: "552 5.3.4",
    no_memory: "452 4.3.1",
    bare_line_end: "550 5.6.0",
    nul: "550 5.6.0",
  } as const;
  for (const [reason, expected] of Object.entries(replies)) {
    const decision = decide({ kind: "refused", reason: reason as keyof typeof replies });
    assert.ok(decision.kind === "refused");
    assert.equal(`${decision.reply.code} ${decision.reply.enhancedStatus}`, expected);
  }
});
