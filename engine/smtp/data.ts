/**
 * The end of DATA: what was read becomes a message we answer for, or a reply that says why not
 * (RFC 5321 §4.1.1.4, §4.4, §6.1, §6.3).
 */
import { Buffer } from "node:buffer";
import { readHeaderSection } from "../mail/header_section.ts";
import type { QueueId } from "../mail/queue_id.ts";
import { receivedField } from "../mail/received.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import type { ReadMessage, RefusedMessage } from "./message_reader.ts";
import type { Client, SessionPolicy, Transaction } from "./session.ts";

/** Room for the trace fields a message gets; more than this is copied. */
export const TRACE_HEADROOM_OCTETS = 512;

export interface Arrival {
  readonly client: Client;
  readonly heloName: string;
  /** RFC 3848 */
  readonly protocol: string;
  readonly tls: { readonly version: string; readonly cipher: string } | null;
}

export type DataDecision =
  | { readonly kind: "message"; readonly message: AcceptedMessage }
  | { readonly kind: "refused"; readonly reply: Reply };

/** Puts the trace field on top and decides; changes the message's buffer in place. */
export function decideData(
  read: ReadMessage,
  context: {
    readonly transaction: Transaction;
    readonly arrival: Arrival;
    readonly policy: SessionPolicy;
    readonly id: QueueId;
    readonly nowMs: number;
  },
): DataDecision {
  const { transaction, arrival, policy, id, nowMs } = context;
  if (read.kind === "refused") {
    return { kind: "refused", reply: refusedReply(read.reason, policy) };
  }
  // RFC 5321 §6.3: a message that came by too often goes round in a loop.
  const hops = readHeaderSection(read.message.octets).count("Received", policy.maxReceivedHops + 1);
  if (hops > policy.maxReceivedHops) {
    return { kind: "refused", reply: reply(554, "4.6", "Too many hops: mail loop") };
  }
  const recipients = [...transaction.recipients.values()];
  const received = receivedField({
    heloName: arrival.heloName,
    clientAddress: arrival.client.address,
    clientName: null,
    byHost: policy.hostname,
    protocol: arrival.protocol,
    tls: arrival.tls,
    queueId: id,
    recipient: recipients.length === 1 ? recipients[0].forwardPath : null,
    acceptedAtMs: nowMs,
  });
  read.message.prepend(Buffer.from(received, "utf8"));
  return {
    kind: "message",
    message: {
      id,
      acceptedAtMs: nowMs,
      reversePath: transaction.reversePath,
      bodyType: transaction.bodyType,
      smtpUtf8: transaction.smtpUtf8,
      clientAddress: arrival.client.address,
      heloName: arrival.heloName,
      protocol: arrival.protocol,
      octets: read.message.octets,
      recipients,
    },
  };
}

function refusedReply(reason: RefusedMessage, policy: SessionPolicy): Reply {
  switch (reason) {
    case "too_large":
      return reply(
        552,
        "3.4",
        `Message exceeds the fixed maximum of ${policy.maxMessageOctets} octets`,
      );
    case "no_memory":
      return reply(452, "3.1", "Too much mail in flight, try again later");
    case "bare_line_end":
      return reply(550, "6.0", "Message has a bare CR or LF; lines end in CRLF (RFC 5321 2.3.8)");
    case "nul":
      return reply(550, "6.0", "Message has a NUL octet");
  }
}
