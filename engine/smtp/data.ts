/**
 * The end of DATA: whether what was read is a message we answer for, and the messages it becomes, one
 * for each reverse-path it goes on with (RFC 5321 §4.1.1.4, §4.4, §6.1, §6.3). What is put on top of
 * them besides the trace field is made elsewhere, see `take_message.ts`.
 */
import { Buffer } from "node:buffer";
import { type HeaderSection, readHeaderSection } from "../mail/header_section.ts";
import type { QueueId } from "../mail/queue_id.ts";
import { receivedField } from "../mail/received.ts";
import { type Reply, reply } from "../mail/reply.ts";
import { type ExpandedRecipient, routedRecipient } from "../routing/expand.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import { type ReadMessage, type RefusedMessage, RoomyMessage } from "./message_reader.ts";
import type { Client, SessionPolicy, Transaction } from "./session.ts";
import { checkSubmission, mendSubmission } from "./submission.ts";

/** Room for the fields a message gets on top; more than this is copied. */
export function headroomOctets(client: Client): number {
  return client.mayRelay ? 2_560 : 512;
}

export interface Arrival {
  readonly client: Client;
  readonly heloName: string;
  /** RFC 3848 */
  readonly protocol: string;
  readonly tls: { readonly version: string; readonly cipher: string } | null;
}

export type DataDecision =
  | { readonly kind: "message"; readonly message: RoomyMessage; readonly header: HeaderSection }
  | { readonly kind: "refused"; readonly reply: Reply };

/** Checks what was read, and mends what our own users' programs leave out. */
export function decideData(
  read: ReadMessage,
  context: {
    readonly client: Client;
    readonly policy: SessionPolicy;
    readonly nowMs: number;
    readonly nonce: string;
  },
): DataDecision {
  const { client, policy, nowMs, nonce } = context;
  if (read.kind === "refused") return refused(refusedReply(read.reason, policy));
  const { message } = read;
  const header = readHeaderSection(message.octets);
  // RFC 5321 §6.3: a message that came by too often goes round in a loop.
  if (header.count("Received", policy.maxReceivedHops + 1) > policy.maxReceivedHops) {
    return refused(reply(554, "4.6", "Too many hops: mail loop"));
  }
  if (!isSubmission(client)) return { kind: "message", message, header };
  const { account } = client;

  const checked = checkSubmission(header, message.octets, { account });
  if (checked.kind === "refused") return checked;
  const messageId = `<${nonce}@${policy.hostname}>`;
  const mended = mendSubmission(header, message.octets, { nowMs, messageId });
  if (mended === message.octets) return { kind: "message", message, header };
  const room = headroomOctets(client);
  const roomy = new Uint8Array(room + mended.length);
  roomy.set(mended, room);
  return {
    kind: "message",
    message: new RoomyMessage(roomy, room, roomy.length),
    header: readHeaderSection(mended),
  };
}

/** Whether a message is its author's own, fresh from his program (RFC 6409). */
function isSubmission(client: Client): boolean {
  return client.account !== null || (client.listener !== "smtp" && client.mayRelay);
}

/** Recipients outside whom a domain of ours forwards to. */
export interface Forward {
  readonly domain: string;
  readonly recipients: readonly ExpandedRecipient[];
}

/** Takes apart who gets the message as it came and whom our domains forward it to. */
export function splitRecipients(recipients: Iterable<ExpandedRecipient>): {
  readonly direct: readonly ExpandedRecipient[];
  readonly forwards: readonly Forward[];
} {
  const direct: ExpandedRecipient[] = [];
  const forwards = new Map<string, ExpandedRecipient[]>();
  for (const recipient of recipients) {
    if (recipient.kind === "local" || recipient.forwardedBy === null) direct.push(recipient);
    else {
      const { domain } = recipient.forwardedBy;
      forwards.set(domain, [...forwards.get(domain) ?? [], recipient]);
    }
  }
  return {
    direct,
    forwards: [...forwards].map(([domain, recipients]) => ({ domain, recipients })),
  };
}

/** One message to be: who gets it, from whom, and what stands between our trace field and the message. */
export interface Copy {
  readonly id: QueueId;
  readonly reversePath: string;
  /** Header fields to put on top, below our trace field, each with its line end. */
  readonly onTop: string;
  readonly recipients: readonly ExpandedRecipient[];
}

/** The message of one copy. The last copy takes the octets themselves, the ones before get their own. */
export function composeMessage(
  copy: Copy,
  context: {
    readonly message: RoomyMessage;
    readonly isLast: boolean;
    readonly transaction: Transaction;
    readonly arrival: Arrival;
    readonly policy: SessionPolicy;
    readonly nowMs: number;
  },
): AcceptedMessage {
  const { message, isLast, transaction, arrival, policy, nowMs } = context;
  const [onlyRecipient, another] = transaction.named;
  const received = receivedField({
    heloName: arrival.heloName,
    clientAddress: arrival.client.address,
    clientName: null,
    byHost: policy.hostname,
    protocol: arrival.protocol,
    tls: arrival.tls,
    queueId: copy.id,
    recipient: another === undefined ? onlyRecipient : null,
    acceptedAtMs: nowMs,
  });
  const { octets } = message;
  const roomy = isLast ? message : new RoomyMessage(octets, 0, octets.length);
  roomy.prepend(Buffer.from(received + copy.onTop, "utf8"));
  return {
    id: copy.id,
    acceptedAtMs: nowMs,
    reversePath: copy.reversePath,
    bodyType: transaction.bodyType,
    smtpUtf8: transaction.smtpUtf8,
    clientAddress: arrival.client.address,
    heloName: arrival.heloName,
    protocol: arrival.protocol,
    octets: roomy.octets,
    recipients: copy.recipients.map(routedRecipient),
  };
}

function refused(reply: Reply): DataDecision {
  return { kind: "refused", reply };
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
