/**
 * Greylisting (RFC 6647): mail of a sender nobody knows has to come a second time, which bulk senders of spam seldom
 * bother to do. Decides what to ask the greylist and what its answer means; asks nobody itself, and does not know
 * when one asks. Clients that may relay are not asked about.
 *
 * It is decided once the message is read, when all that vouches for it is known, and for the message as a whole.
 * A message is known again by any one of its recipients: a client that comes again for some of them only, or for
 * more, has come again. Of many recipients a few are remembered, the same ones whatever their order.
 *
 * A client goes by the domain that SPF vouches for, so that a provider may come again from another address, and by
 * its network, so that it is known again while SPF cannot be looked up. After one pass the domain that is proved is
 * trusted whatever it sends from where, and so it is once it is known to be good; without proof a domain is trusted
 * from that network alone.
 */
import { createHash } from "node:crypto";
import type { Authentication } from "../auth/results.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { ListHit } from "../spam/facts.ts";
import type { GreylistAnswer, GreylistQuery, GreylistSender } from "../store/greylist.ts";
import { senderNetwork } from "./client_network.ts";
import { senderName } from "./sender_name.ts";

export interface GreylistPolicy {
  readonly delayMs: number;
  /** Longer than the delay. */
  readonly windowMs: number;
  readonly trustMs: number;
  /** So many messages have to come again until a domain that proves nothing is trusted from a network. */
  readonly passes: number;
}

export interface GreylistFacts {
  /** The client's. */
  readonly address: string;
  readonly reversePath: string;
  /** Forward-paths as they were named. */
  readonly recipients: readonly string[];
  readonly authentication: Pick<Authentication, "mfrom" | "dkim" | "dmarc">;
  /** Of the client's address. */
  readonly lists: readonly Pick<ListHit, "weight">[];
  /** Mail of the sender was good before. Counts where DMARC or DKIM says that it is the sender. */
  readonly isKnown: boolean;
}

export interface GreylistRefusal {
  readonly rule: "greylist";
  readonly reply: Reply;
  readonly retryAfterMs: number;
}

/** Recipients a message is known again by. */
const MAX_RECIPIENTS = 4;
const MAX_SIGNERS = 2;

/** What to ask the greylist; `null`: the message is excused. */
export function greylistQuery(facts: GreylistFacts, policy: GreylistPolicy): GreylistQuery | null {
  const { authentication, isKnown, lists } = facts;
  const { dkim, dmarc } = authentication;
  const isProven = dmarc.verdict === "pass" || dkim.some(({ verdict }) => verdict === "pass");
  const domains = provenDomains(authentication);
  const { delayMs, windowMs, trustMs } = policy;
  const times = { delayMs, windowMs, trustMs };
  if (isKnown && isProven) {
    // Asked all the same, so that it is still trusted when it is not known any more.
    return { senders: domains.map(trustedDomain), triplets: [], isVouchedFor: true, ...times };
  }
  // Lists of good senders, DNSWL, say.
  if (lists.some(({ weight }) => weight < 0)) return null;
  const network = `net:${senderNetwork(facts.address)}`;
  const sender = senderName(facts.reversePath);
  const host = sender.slice(sender.lastIndexOf("@") + 1);
  const proven = envelopeDomain(authentication) ?? domains.at(0);
  const clients = [...(proven === undefined ? [] : [`domain:${proven}`]), network];
  return {
    senders: [
      ...domains.map(trustedDomain),
      { key: digest(network, host), passes: policy.passes },
    ],
    triplets: tripletsOf({ clients, sender, recipients: facts.recipients }),
    isVouchedFor: false,
    ...times,
  };
}

/** What the greylist's answer means; `null`: the message may pass. */
export function greylistRefusal(answer: GreylistAnswer): GreylistRefusal | null {
  if (answer.kind !== "waiting") return null;
  const { retryAfterMs } = answer;
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  // RFC 5321 §4.3.2, RFC 3463 §3.8
  const text = `Greylisted, try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  return { rule: "greylist", reply: reply(451, "7.1", text), retryAfterMs };
}

/**
 * Whom this message proves to be from, each once: the author's domain where DMARC vouches for it, for then those
 * who sent it on his behalf, and for many others, need not be trusted; else the envelope's and the signers'.
 */
function provenDomains(authentication: GreylistFacts["authentication"]): readonly string[] {
  const { dmarc, dkim } = authentication;
  if (dmarc.verdict === "pass" && dmarc.fromDomain !== "") return [dmarc.fromDomain];
  const signers = dkim.filter(({ verdict, domain }) => verdict === "pass" && domain !== "")
    .map(({ domain }) => domain);
  const envelope = envelopeDomain(authentication);
  const some = [...new Set(signers)].slice(0, MAX_SIGNERS);
  return [...new Set(envelope === undefined ? some : [envelope, ...some])];
}

function envelopeDomain({ mfrom }: GreylistFacts["authentication"]): string | undefined {
  return mfrom.verdict === "pass" && mfrom.domain !== "" ? mfrom.domain : undefined;
}

function trustedDomain(domain: string): GreylistSender {
  return { key: digest("domain", domain), passes: 1 };
}

function tripletsOf(
  { clients, sender, recipients }: {
    readonly clients: readonly string[];
    readonly sender: string;
    readonly recipients: readonly string[];
  },
): readonly string[] {
  // By their hashes, not in their order: of a part of the recipients the same ones are chosen.
  const hashed = new Set(recipients.map((recipient) => digest(recipient.toLowerCase())));
  const some = [...hashed].sort().slice(0, MAX_RECIPIENTS);
  return clients.flatMap((client) => some.map((recipient) => digest(client, sender, recipient)));
}

/** Names may be long and in any script, keys may not. */
function digest(...parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\0")).digest("base64url").slice(0, 22);
}
