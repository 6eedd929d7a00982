/**
 * How much strangers may do: connections, messages and recipients, by client, by the network it is in, by the
 * domain of the sender and by the mailbox written to. Decides what to claim from the meters and reads their
 * answer; asks nobody itself. Not for clients that may relay, which the caller does not ask about: they have
 * limits of their own (`sending_limit.ts`).
 *
 * Where SPF does not vouch for a sender, its domain is counted apart from mail for which it does. So mail that
 * forges a domain uses up what forgeries of it may do, and keeps out none of its own.
 *
 * A message counts when its first recipient is named, and a recipient that a limit keeps out counts for nothing.
 */
import { createHash } from "node:crypto";
import { type Reply, reply } from "../mail/reply.ts";
import type { MeterClaim, Passage } from "../store/meters.ts";
import { neighbourhood, oneClient } from "./client_network.ts";
import type { Rate } from "./rate.ts";

export type RateRule =
  | "connections_per_ip"
  | "connections_per_net"
  | "messages_per_ip"
  | "messages_per_net"
  | "messages_per_sender_domain"
  | "messages_per_recipient"
  | "recipients_per_ip"
  | "recipients_per_net"
  | "recipients_per_sender_domain";

/** `null`: no limit. */
export type RateLimits = Readonly<Record<RateRule, Rate | null>>;

export interface RateClaim extends MeterClaim {
  readonly rule: RateRule;
}

export interface RateRefusal {
  readonly rule: RateRule;
  readonly reply: Reply;
  readonly retryAfterMs: number;
}

export interface RatedRecipient {
  /** The client's. */
  readonly address: string;
  /** As the envelope keeps it; the null reverse-path belongs to no domain. */
  readonly reversePath: string;
  /** SPF passed for the reverse-path. */
  readonly isSenderProven: boolean;
  /** Where it leads, if to one mailbox, so that a mailbox of many names has one limit; else as it was named. */
  readonly mailbox: string;
  /** The first of its message. */
  readonly isFirst: boolean;
}

/** What a connection takes: of the client, then of its network. */
export function connectionClaims(address: string, limits: RateLimits): readonly RateClaim[] {
  return claimsOf(limits, [
    ["connections_per_ip", oneClient(address)],
    ["connections_per_net", neighbourhood(address)],
  ]);
}

/** What a recipient takes, and its message with the first one. */
export function recipientClaims(
  recipient: RatedRecipient,
  limits: RateLimits,
): readonly RateClaim[] {
  const { address, reversePath, isSenderProven, mailbox, isFirst } = recipient;
  const client = oneClient(address);
  const network = neighbourhood(address);
  const senderDomain = reversePath.slice(reversePath.lastIndexOf("@") + 1).toLowerCase();
  const sender = `${isSenderProven ? "spf" : "any"}:${digest(senderDomain)}`;
  const hasSender = reversePath !== "";
  return claimsOf(limits, [
    ["messages_per_ip", isFirst ? client : null],
    ["messages_per_net", isFirst ? network : null],
    ["messages_per_sender_domain", isFirst && hasSender ? sender : null],
    ["recipients_per_ip", client],
    ["recipients_per_net", network],
    ["recipients_per_sender_domain", hasSender ? sender : null],
    ["messages_per_recipient", digest(mailbox.toLowerCase())],
  ]);
}

/** What the meters' answer to claims means; `null`: nothing speaks against it. */
export function rateRefusal(claims: readonly RateClaim[], passage: Passage): RateRefusal | null {
  if (passage.kind === "granted") return null;
  const { rule } = claims[passage.claim];
  const { retryAfterMs } = passage;
  return { rule, retryAfterMs, reply: replyOf(rule, retryAfterMs) };
}

function claimsOf(
  limits: RateLimits,
  subjects: readonly (readonly [RateRule, string | null])[],
): readonly RateClaim[] {
  return subjects.flatMap(([rule, subject]) => {
    const rate = limits[rule];
    if (rate === null || subject === null) return [];
    const { count: burst, periodMs } = rate;
    return [{ rule, key: `${rule}:${subject}`, burst, periodMs, amount: 1 }];
  });
}

function replyOf(rule: RateRule, retryAfterMs: number): Reply {
  const later = `try again in ${wait(retryAfterMs)}`;
  switch (rule) {
    case "connections_per_ip":
    case "connections_per_net":
      // RFC 5321 §3.8, §4.2.2: the one code that closes; RFC 3463 §3.8
      return reply(421, "7.0", `Too many connections, ${later}`);
    // RFC 5321 §4.2.2: 450 is also for what is blocked for policy reasons, for a time. 452 4.5.3 would make
    // clients send the rest in the next transaction, at once (RFC 5321 §4.5.3.1.10).
    case "messages_per_ip":
    case "messages_per_net":
      return reply(450, "7.1", `Too many messages from your network, ${later}`);
    case "messages_per_sender_domain":
      return reply(450, "7.1", `Too many messages from the sender's domain, ${later}`);
    case "recipients_per_ip":
    case "recipients_per_net":
      return reply(450, "7.1", `Too many recipients from your network, ${later}`);
    case "recipients_per_sender_domain":
      return reply(450, "7.1", `Too many recipients from the sender's domain, ${later}`);
    case "messages_per_recipient":
      return reply(450, "7.1", `Too many messages for this recipient, ${later}`);
  }
}

/** For people, rounded up. */
function wait(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  if (seconds <= 120) return seconds === 1 ? "1 second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

/** Names may be long and in any script, keys may not. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
