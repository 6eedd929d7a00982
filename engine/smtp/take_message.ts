/**
 * From the octets behind DATA to the reply: has the message checked, signed or sealed, composed and
 * committed. Decides nothing itself; see `data.ts`.
 */
import { type Reply, reply } from "../mail/reply.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import { type Arrival, composeMessage, type Copy, decideData, splitRecipients } from "./data.ts";
import type { ReadMessage } from "./message_reader.ts";
import { refusalReason } from "./refusal.ts";
import type { SessionServices, Transaction } from "./session.ts";

export interface TakeContext {
  readonly transaction: Transaction;
  readonly arrival: Arrival;
  readonly sessionId: string;
  /** When DATA began. */
  readonly startedMs: number;
}

/** Resolves once the message is safe or refused. @throws {StoreUnavailableError} */
export async function takeMessage(
  read: ReadMessage,
  context: TakeContext,
  services: SessionServices,
): Promise<Reply> {
  const { transaction, arrival } = context;
  const { policy, memory, observer, now, newNonce } = services;
  const { client } = arrival;
  const nowMs = now();
  const decision = decideData(read, { client, policy, nowMs, nonce: newNonce() });
  if (decision.kind === "refused") {
    observer.refused(refusalReason(decision.reply));
    return decision.reply;
  }
  const { message, header } = decision;
  const copies = await copiesOf(message.octets, context, services, {
    sign: () => client.mayRelay ? services.outgoing.sign(message.octets, header) : "",
  });
  const copiedOctets = message.octets.length * (copies.length - 1);
  if (copiedOctets > 0 && !memory.reserve(copiedOctets)) {
    observer.refused("memory");
    return reply(452, "3.1", "Too much mail in flight, try again later");
  }
  try {
    const messages = copies.map((copy, index) => {
      const isLast = index === copies.length - 1;
      return composeMessage(copy, { message, isLast, transaction, arrival, policy, nowMs });
    });
    await commit(messages, { ...context, decidedMs: nowMs }, services);
    return reply(250, "0.0", `queued as ${copies[0].id}`);
  } finally {
    if (copiedOctets > 0) memory.release(copiedOctets);
  }
}

/** The message for those it was sent to, and one for each domain of ours that forwards it. */
async function copiesOf(
  octets: Uint8Array,
  { transaction, arrival }: TakeContext,
  { outgoing, newQueueId }: SessionServices,
  options: { readonly sign: () => Promise<string> | string },
): Promise<readonly Copy[]> {
  const { reversePath, recipients } = transaction;
  const { direct, forwards } = splitRecipients(recipients.values());
  const signature = await options.sign();
  const copies: Copy[] = [];
  if (direct.length > 0) {
    copies.push({ id: newQueueId(), reversePath, onTop: signature, recipients: direct });
  }
  for (const { domain, recipients } of forwards) {
    const { client: { address: clientAddress }, heloName } = arrival;
    const [seal, forwardingPath] = await Promise.all([
      outgoing.seal(octets, { domain, clientAddress, heloName, reversePath }),
      outgoing.forwardingPath(reversePath, domain),
    ]);
    copies.push({
      id: newQueueId(),
      reversePath: forwardingPath,
      onTop: seal + signature,
      recipients,
    });
  }
  return copies;
}

async function commit(
  messages: readonly AcceptedMessage[],
  context: TakeContext & { readonly decidedMs: number },
  { accept, observer, now }: SessionServices,
): Promise<void> {
  const sizes = messages.map(({ octets }) => octets.length);
  const committingMs = now();
  await accept(messages);
  const { account } = context.arrival.client;
  messages.forEach((message, index) =>
    observer.accepted(message, {
      sessionId: context.sessionId,
      user: account === null ? null : `${account.user.localPart}@${account.user.domain}`,
      sizeOctets: sizes[index],
      dataMs: context.decidedMs - context.startedMs,
      commitMs: now() - committingMs,
    })
  );
}
