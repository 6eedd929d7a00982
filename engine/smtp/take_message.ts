/**
 * From the octets behind DATA to the reply: has the message checked, signed or sealed, composed and
 * committed. Decides nothing itself; see `data.ts`.
 */
import { type Reply, reply } from "../mail/reply.ts";
import type { AcceptedMessage } from "../store/spool.ts";
import {
  type Arrival,
  composeMessage,
  copiedOctets,
  type Copy,
  decideData,
  type Forward,
  frontOf,
  splitRecipients,
} from "./data.ts";
import type { SessionJudge } from "./inbound.ts";
import type { MemoryShare } from "./memory_budget.ts";
import type { ReadMessage } from "./message_reader.ts";
import { fullMailboxReply, NO_MEMORY, refusalReason } from "./refusal.ts";
import type { SessionServices, Transaction } from "./session.ts";

export interface TakeContext {
  readonly transaction: Transaction;
  readonly arrival: Arrival;
  /** Copies are kept in it, and are the caller's to give back. */
  readonly memory: Pick<MemoryShare, "reserve" | "couldReserve">;
  /** `null` for clients that nobody judges. */
  readonly judge: SessionJudge | null;
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
  const { transaction, arrival, memory } = context;
  const { policy, login, observer, now, newNonce } = services;
  const { client } = arrival;
  const nowMs = now();
  const decision = await decideData(read, {
    client,
    policy,
    owns: (account, sender) => login.owns(account, sender),
    nowMs,
    nonce: newNonce(),
  });
  const refused = (answer: Reply): Reply => {
    observer.refused(refusalReason(answer));
    return answer;
  };
  if (decision.kind === "refused") return refused(decision.reply);
  const { message } = decision;
  const judgement = await context.judge?.message({
    octets: message.octets,
    header: decision.header,
    reversePath: transaction.reversePath,
    named: transaction.named,
  });
  if (judgement?.kind === "refused") {
    observer.refused(judgement.refusal.reason);
    return judgement.refusal.reply;
  }
  if (judgement !== undefined) message.cut(judgement.removed);
  const full = await fullMailboxes(transaction, message.octets.length, services.recipients);
  if (full !== null) return refused(fullMailboxReply(full));
  const copies = await copiesOf(message.octets, context, services, {
    below: judgement?.onTop ?? "",
    sign: () => client.mayRelay ? services.outgoing.sign(message.octets, decision.header) : "",
  });
  const clientName = judgement?.clientName ?? null;
  const fronts = copies.map((copy) =>
    frontOf(copy, { transaction, arrival, policy, nowMs, clientName })
  );
  const octets = copiedOctets(message, fronts);
  if (!memory.reserve(octets)) {
    return refused(
      memory.couldReserve(octets)
        ? NO_MEMORY
        : reply(552, "3.4", "Message is too large for all the domains that forward it"),
    );
  }
  const messages = copies.map((copy, index) => {
    const [front, isLast] = [fronts[index], index === copies.length - 1];
    const hold = judgement?.hold ?? null;
    return composeMessage(copy, { message, front, isLast, transaction, arrival, nowMs, hold });
  });
  await commit(messages, { ...context, decidedMs: nowMs }, services);
  return reply(250, "0.0", `queued as ${copies[0].id}`);
}

/**
 * What mailboxes do with a message that none of them has room for; `null` as soon as one has. RCPT asked
 * already, with the size the client announced: only who announced less, or nothing, is asked for again.
 */
async function fullMailboxes(
  { announcedOctets, recipients }: Transaction,
  sizeOctets: number,
  services: SessionServices["recipients"],
): Promise<"defer" | "refuse" | null> {
  if (sizeOctets <= announcedOctets) return null;
  let all: "defer" | "refuse" = "refuse";
  for (const recipient of recipients.values()) {
    const full = await services.fullMailbox(recipient, sizeOctets);
    if (full === null) return null;
    if (full === "defer") all = full;
  }
  return all;
}

/** The message for those it was sent to, and one for each domain of ours that forwards it. */
async function copiesOf(
  octets: Uint8Array,
  { transaction, arrival }: TakeContext,
  { outgoing, newQueueId }: SessionServices,
  options: {
    /** What was found about the message, beneath what we sign and seal with. */
    readonly below: string;
    readonly sign: () => Promise<string> | string;
  },
): Promise<readonly Copy[]> {
  const { reversePath, recipients } = transaction;
  const { direct, forwards } = splitRecipients(recipients.values());
  const common = await options.sign() + options.below;
  const forward = async ({ domain, recipients }: Forward): Promise<Copy> => {
    const { client: { address: clientAddress }, heloName } = arrival;
    const [seal, forwardingPath] = await Promise.all([
      outgoing.seal(octets, { domain, clientAddress, heloName, reversePath }),
      outgoing.forwardingPath(reversePath, domain),
    ]);
    const onTop = seal + common;
    return { id: newQueueId(), reversePath: forwardingPath, onTop, recipients };
  };
  // Sealing may wait for DNS as long as it is allowed to: all at once, so that the client waits no longer.
  const forwarded = await Promise.all(forwards.map(forward));
  if (direct.length === 0) return forwarded;
  return [{ id: newQueueId(), reversePath, onTop: common, recipients: direct }, ...forwarded];
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
