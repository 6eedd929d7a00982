import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { queueIdGenerator } from "../mail/queue_id.ts";
import type { RoutedRecipient } from "../mail/envelope.ts";
import { decideData, TRACE_HEADROOM_OCTETS } from "./data.ts";
import { type ReadMessage, RoomyMessage } from "./message_reader.ts";
import { POLICY } from "./testdata/policy.ts";

const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const ID = queueIdGenerator({ generator: 7, now: () => NOW_MS })();

function decide(read: ReadMessage, recipients: readonly string[] = ["ann@example.org"]) {
  return decideData(read, {
    transaction: {
      reversePath: "a@example.net",
      bodyType: "8bitmime",
      smtpUtf8: false,
      announcedOctets: 0,
      recipients: new Map(recipients.map((forwardPath): [string, RoutedRecipient] => [
        forwardPath,
        { forwardPath, transport: "local", destination: "example.org" },
      ])),
    },
    arrival: {
      client: { address: "192.0.2.1", port: 1, listener: "smtp", mayRelay: false },
      heloName: "client.example",
      protocol: "ESMTPS",
      tls: { version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" },
    },
    policy: POLICY,
    id: ID,
    nowMs: NOW_MS,
  });
}

function message(text: string): ReadMessage {
  const content = Buffer.from(text, "latin1");
  const octets = new Uint8Array(TRACE_HEADROOM_OCTETS + content.length);
  octets.set(content, TRACE_HEADROOM_OCTETS);
  return {
    kind: "message",
    message: new RoomyMessage(octets, TRACE_HEADROOM_OCTETS, octets.length),
  };
}

function accepted(decision: ReturnType<typeof decide>): string {
  assert.ok(decision.kind === "message");
  return Buffer.from(decision.message.octets).toString("latin1");
}

Deno.test("decideData: puts one Received field on top and leaves all below as it came (RFC 5321 §4.4)", () => {
  const text = "Subject: \xe4\r\n\r\n.\r\nbody\r\n";
  const decision = decide(message(text));
  const whole = accepted(decision);
  assert.ok(whole.endsWith(text));
  assert.equal(
    whole.slice(0, -text.length).replaceAll("\r\n\t", " "),
    `Received: from client.example ([192.0.2.1]) by mx.example.org with ESMTPS id ${ID} ` +
      "(TLSv1.3 TLS_AES_128_GCM_SHA256) for <ann@example.org>; Fri, 02 Jan 2026 03:04:05 +0000\r\n",
  );
  assert.ok(decision.kind === "message");
  const { octets: _, ...facts } = decision.message;
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

Deno.test("decideData: several recipients do not learn of each other (RFC 5321 §7.2)", () => {
  const whole = accepted(decide(message("\r\n"), ["ann@example.org", "bob@example.org"]));
  assert.doesNotMatch(whole, /ann|bob/);
});

Deno.test("decideData: an empty message is one", () => {
  assert.match(accepted(decide(message(""))), /^Received: [^]*\r\n$/);
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
