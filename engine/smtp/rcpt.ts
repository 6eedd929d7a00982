/** RCPT: decides whether we answer for a recipient (RFC 5321 §4.1.1.3, §3.3). */
import { parseRcptCommand, type Path, type PathFault } from "../mail/path.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { ExpandedRecipient, Expansion } from "../routing/expand.ts";
import { fullMailboxReply, NO_MEMORY } from "./refusal.ts";
import type { SessionPolicy, Transaction } from "./session.ts";

export type RcptDecision =
  | {
    readonly kind: "accepted";
    readonly recipients: readonly ExpandedRecipient[];
    readonly reply: Reply;
  }
  | { readonly kind: "refused"; readonly reply: Reply };

export type ParsedRcpt =
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "refused"; readonly reply: Reply };

/** Where the recipients of one transaction may lead, groups and all. */
const MAX_EXPANDED = 10_000;
/** What a transaction keeps of a path besides its characters. */
const PATH_OCTETS = 128;

/** Reads what stands behind `RCPT TO:`; the domainless postmaster is the local domain's. */
export function parseRcpt(
  argument: Uint8Array,
  context: { readonly transaction: Transaction; readonly policy: SessionPolicy },
): ParsedRcpt {
  const { transaction, policy } = context;
  const path = parseRcptCommand(argument, { smtpUtf8: transaction.smtpUtf8 });
  if (path.kind === "fault") return { kind: "refused", reply: rcptFaultReply(path.fault) };
  if (path.params.size > 0) {
    const [keyword] = path.params.keys();
    return {
      kind: "refused",
      reply: reply(555, "5.4", `Parameter ${keyword} is not recognised`),
    };
  }
  if (path.domain !== "") return { kind: "path", path };
  const mailbox = `${path.localPart}@${policy.localDomain}`;
  return { kind: "path", path: { ...path, domain: policy.localDomain, mailbox } };
}

/**
 * @param context `full`: what the mailbox does with more mail, `null` while there is room; `reserve`: asks
 * for the memory that recipients are kept in, the last thing to be asked.
 */
export function decideRcpt(
  path: Path,
  context: {
    readonly expansion: Expansion;
    readonly full: "defer" | "refuse" | null;
    readonly transaction: Transaction;
    readonly policy: SessionPolicy;
    readonly reserve: (octets: number) => boolean;
  },
): RcptDecision {
  const { expansion, full, transaction, policy, reserve } = context;
  if (expansion.kind === "refused") return expansion;
  const { named, recipients } = transaction;
  const isFull = named.size >= policy.maxRecipients && !named.has(path.mailbox);
  if (isFull || recipients.size + expansion.recipients.length > MAX_EXPANDED) {
    // RFC 5321 §4.5.3.1.10
    return { kind: "refused", reply: reply(452, "5.3", "Too many recipients") };
  }
  if (full !== null) return { kind: "refused", reply: fullMailboxReply(full) };
  const added = expansion.recipients.filter(({ forwardPath }) => !recipients.has(forwardPath))
    .map(({ forwardPath }) => forwardPath);
  if (!named.has(path.mailbox)) added.push(path.mailbox);
  const octets = added.reduce((sum, path) => sum + keptOctets(path), 0);
  if (!reserve(octets)) return { kind: "refused", reply: NO_MEMORY };
  return {
    kind: "accepted",
    recipients: expansion.recipients,
    reply: reply(250, "1.5", "Recipient ok"),
  };
}

/** What is kept of a path in memory, where a character may take two octets. */
function keptOctets(path: string): number {
  return PATH_OCTETS + 2 * path.length;
}

function rcptFaultReply(fault: PathFault): Reply {
  switch (fault) {
    case "needs_utf8":
      // RFC 6531 §3.5
      return reply(553, "6.7", "Address needs SMTPUTF8");
    case "too_long":
      return reply(501, "1.3", "Recipient path too long");
    case "parameter_syntax":
    case "duplicate_parameter":
      return reply(501, "5.4", "Bad RCPT parameters");
    case "syntax":
    case "invalid_utf8":
      return reply(501, "1.3", "Bad recipient path syntax");
  }
}
