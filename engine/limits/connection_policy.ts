/**
 * Whether a client may send here at all, by what the DNS says of its address and of the name it gives. A
 * pure decision over facts gathered before; told at RCPT, so that the log knows who was kept from whom, and
 * those who complain can be heard (RFC 5321 §4.5.1, RFC 2142 §5). What is not known never refuses for good.
 */
import { formatAddressLiteral } from "../mail/domain.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { ClientFacts, ListHit } from "../spam/facts.ts";

export interface ConnectionPolicy {
  /** Sum of list weights from which on a client is refused; `null`: lists only score. */
  readonly listRejectWeight: number | null;
  readonly reverseDns: CheckUse;
  readonly helo: CheckUse;
}

/** Whether a fault counts for nothing, for the score, or refuses. */
export type CheckUse = "off" | "score" | "require";

export type ConnectionDecision =
  | { readonly kind: "ok" }
  | {
    readonly kind: "refused";
    readonly rule: "dns_list" | "reverse_dns" | "helo";
    readonly reply: Reply;
  };

export interface ConnectionContext {
  /** The recipient is to be reached by everyone, see `isAlwaysReachable`. */
  readonly isExempt: boolean;
  /** What the list of `refusingList` says for itself, see `explainListing`. */
  readonly listExplanation: string | null;
}

const OK: ConnectionDecision = { kind: "ok" };

export function judgeConnection(
  facts: ClientFacts,
  policy: ConnectionPolicy,
  context: ConnectionContext,
): ConnectionDecision {
  if (context.isExempt) return OK;
  const literal = formatAddressLiteral(facts.address);
  const list = refusingList(facts, policy);
  if (list !== null) {
    const see = context.listExplanation === null ? "" : `; ${context.listExplanation}`;
    const text = `Client address ${literal} is listed by ${list.zone}${see}`;
    return { kind: "refused", rule: "dns_list", reply: reply(550, "7.1", text) };
  }
  const { verdict } = facts.reverse;
  if (policy.reverseDns === "require" && (verdict === "none" || verdict === "fail")) {
    // RFC 7372 §3.3
    const text = verdict === "none"
      ? `Client address ${literal} has no name in the DNS`
      : `No name of client address ${literal} leads back to it`;
    return { kind: "refused", rule: "reverse_dns", reply: reply(550, "7.25", text) };
  }
  if (policy.helo === "require" && facts.heloFaults.length > 0) {
    // Departs from RFC 5321 §4.1.4, which lets nobody refuse over the HELO name: the operator asked for it.
    const text = "The name in your HELO or EHLO is not that of a mail server";
    return { kind: "refused", rule: "helo", reply: reply(550, "7.1", text) };
  }
  if (policy.reverseDns === "require" && verdict === "temperror") {
    const text = `The name of client address ${literal} cannot be found out now, try again later`;
    return { kind: "refused", rule: "reverse_dns", reply: reply(450, "7.25", text) };
  }
  return OK;
}

/** What the lists say about a client in all. */
export function listWeight(lists: readonly ListHit[]): number {
  return lists.reduce((sum, { weight }) => sum + weight, 0);
}

/** The list that weighs most against a client the lists refuse; `null` where they do not. */
export function refusingList(
  { lists }: Pick<ClientFacts, "lists">,
  { listRejectWeight }: Pick<ConnectionPolicy, "listRejectWeight">,
): ListHit | null {
  if (listRejectWeight === null || listWeight(lists) < listRejectWeight) return null;
  const heaviest = lists.toSorted((a, b) => b.weight - a.weight).at(0);
  return heaviest !== undefined && heaviest.weight > 0 ? heaviest : null;
}

/** Recipients who hear from those that are refused otherwise. */
export function isAlwaysReachable(localPart: string): boolean {
  const name = localPart.toLowerCase();
  return name === "postmaster" || name === "abuse";
}
