/**
 * The end of DATA: whether what was read is a message we answer for, and the messages it becomes, one
 * for each reverse-path it goes on with (RFC 5321 §4.1.1.4, §4.4, §6.1, §6.3). What is put on top of
 * them besides the trace field is made elsewhere, see `take_message.ts`.
 */
import { Buffer } from "node:buffer";
import type { Hold } from "../mail/envelope.ts";
import { type HeaderSection, readHeaderSection } from "../mail/header_section.ts";
import type { QueueId } from "../mail/queue_id.ts";
import { receivedField } from "../mail/received.ts";
import { type Reply, reply } from "../mail/reply.ts";
import { type ExpandedRecipient, routedRecipient } from "../routing/expand.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import type { ReadMessage, RefusedMessage } from "./message_reader.ts";
import { NO_MEMORY } from "./refusal.ts";
import type { RoomyMessage } from "./roomy_message.ts";
import type { Client, SessionPolicy, Transaction } from "./session.ts";
import { checkSubmission, mendSubmission, type OwnsSender } from "./submission.ts";

/** Room for the fields a message gets on top; more than this is copied. */
export const HEADROOM_OCTETS = 2_560;

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

/** Checks what was read, and mends what our own users' programs leave out. @throws {StoreUnavailableError} */
export async function decideData(
  read: ReadMessage,
  context: {
    readonly client: Client;
    readonly policy: SessionPolicy;
    readonly owns: OwnsSender;
    readonly nowMs: number;
    readonly nonce: string;
  },
): Promise<DataDecision> {
  const { client, policy, owns, nowMs, nonce } = context;
  if (read.kind === "refused") return refused(refusedReply(read.reason, policy));
  const { message } = read;
  const header = readHeaderSection(message.octets);
  // RFC 5321 §6.3: a message that came by too often goes round in a loop.
  if (header.count("Received", policy.maxReceivedHops + 1) > policy.maxReceivedHops) {
    return refused(reply(554, "4.6", "Too many hops: mail loop"));
  }
  if (!isSubmission(client)) return { kind: "message", message, header };
  const { account } = client;

  const checked = await checkSubmission(header, message.octets, { account, owns });
  if (checked.kind === "refused") return checked;
  const messageId = `<${nonce}@${policy.hostname}>`;
  const { added, removed } = mendSubmission(header, message.octets, { nowMs, messageId });
  if (added === "" && removed.length === 0) return { kind: "message", message, header };
  message.cut(removed);
  message.prepend(Buffer.from(added));
  return { kind: "message", message, header: readHeaderSection(message.octets) };
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

/** What stands in front of the message in one copy: our trace field, then what the copy has on top. */
export function frontOf(
  copy: Copy,
  context: {
    readonly transaction: Transaction;
    readonly arrival: Arrival;
    readonly policy: SessionPolicy;
    readonly nowMs: number;
    readonly clientName: string | null;
  },
): Uint8Array {
  const { transaction, arrival, policy, nowMs, clientName } = context;
  const [onlyRecipient, another] = transaction.named;
  const received = receivedField({
    heloName: arrival.heloName,
    clientAddress: arrival.client.address,
    clientName,
    byHost: policy.hostname,
    protocol: arrival.protocol,
    tls: arrival.tls,
    queueId: copy.id,
    recipient: another === undefined ? onlyRecipient : null,
    acceptedAtMs: nowMs,
  });
  return Buffer.from(received + copy.onTop, "utf8");
}

/** What the copies take beside the message, whose own octets go to the last one if there is room in front. */
export function copiedOctets(message: RoomyMessage, fronts: readonly Uint8Array[]): number {
  const copied = fronts.filter((front, index) =>
    index < fronts.length - 1 || front.length > message.roomOctets
  );
  return copied.reduce((sum, front) => sum + front.length + message.octets.length, 0);
}

/** The message of one copy; the last copy takes the octets themselves, the ones before get their own. */
export function composeMessage(
  copy: Copy,
  context: {
    readonly message: RoomyMessage;
    readonly front: Uint8Array;
    readonly isLast: boolean;
    readonly transaction: Transaction;
    readonly arrival: Arrival;
    readonly nowMs: number;
    readonly hold: Hold | null;
  },
): AcceptedMessage {
  const { message, front, isLast, transaction, arrival, nowMs, hold } = context;
  if (isLast) message.prepend(front);
  return {
    id: copy.id,
    acceptedAtMs: nowMs,
    reversePath: copy.reversePath,
    // RFC 6152 §3: the next hop is told what the octets are, even where the client did not say so.
    bodyType: message.isEightBit ? "8bitmime" : transaction.bodyType,
    smtpUtf8: transaction.smtpUtf8,
    clientAddress: arrival.client.address,
    heloName: arrival.heloName,
    protocol: arrival.protocol,
    octets: isLast ? message.octets : message.copyBehind(front),
    recipients: copy.recipients.map(routedRecipient),
    hold,
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
      return NO_MEMORY;
    case "bare_line_end":
      return reply(550, "6.0", "Message has a bare CR or LF; lines end in CRLF (RFC 5321 2.3.8)");
    case "nul":
      return reply(550, "6.0", "Message has a NUL octet");
  }
}
