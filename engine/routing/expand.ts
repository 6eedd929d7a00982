/**
 * Where a forward-path leads: to mailboxes here, to other systems, or nowhere (RFC 5321 §3.3, §3.6,
 * §3.9). Follows aliases, groups and catch-alls to their ends, and takes back the senders' addresses
 * under which we forwarded. Asks the directory it is given and decides from its answers; who may relay
 * is the caller's to say.
 */
import { parseAddressLiteral } from "../mail/domain.ts";
import type { RoutedRecipient } from "../mail/envelope.ts";
import { formatMailbox, type Mailbox, parseMailbox } from "../mail/path.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { DirectoryAnswer } from "./route.ts";

export type ExpandedRecipient =
  | {
    readonly kind: "local";
    readonly domain: string;
    /** The directory's name of the mailbox. */
    readonly user: string;
    readonly forwardPath: string;
  }
  | {
    readonly kind: "remote";
    readonly forwardPath: string;
    /** Domain or address literal to look up. */
    readonly destination: string;
    /** The domain of ours that forwards there; `null` when the client named the recipient himself. */
    readonly forwardedBy: { readonly domain: string } | null;
  };

export type Expansion =
  | {
    readonly kind: "recipients";
    /** At least one, each forward-path once. */
    readonly recipients: readonly ExpandedRecipient[];
  }
  | { readonly kind: "refused"; readonly reply: Reply };

/** What is wrong with an alias, for whoever minds the directory; no client mends it. */
export type AliasFault =
  /** The rest of the group gets the mail; `targets`, at least one, are no users or no addresses. */
  | { readonly kind: "dead_targets"; readonly alias: string; readonly targets: readonly string[] }
  /** It leads to too many, or through too many others: its mail is refused. */
  | { readonly kind: "too_large" | "too_deep"; readonly alias: string };

export interface ExpandOptions {
  /** @throws {StoreUnavailableError} */
  readonly lookup: (domain: string, localPart: string) => Promise<DirectoryAnswer>;
  /** The client logged in, or its network may send to anywhere. */
  readonly mayRelay: boolean;
  /** The sender behind a return path of ours; `null` when it is none, forged, or too old. */
  readonly takeBack: (localPart: string) => string | null;
  /** Told of an alias each time it is met. */
  readonly onFault?: (fault: AliasFault) => void;
}

/** Aliases that lead to aliases; deeper is somebody's mistake. */
const MAX_DEPTH = 10;
/** As many as one alias may lead to, here for all that are followed together. */
const MAX_RECIPIENTS = 1_000;

const UNKNOWN_USER = reply(550, "1.1", "No such mailbox here");
const RELAY_DENIED = reply(550, "7.1", "Relaying denied");
const UNUSABLE_LITERAL = reply(550, "1.2", "Address literal of no known kind");
// RFC 3463 §3.3. No 4yz, though the fault is ours: trying again for days mends no list.
const TOO_LARGE = reply(550, "2.4", "Mailing list has too many members");
const TOO_DEEP = reply(550, "2.4", "Mailing list leads through too many others");

/** Expands one forward-path. @throws {StoreUnavailableError} */
export async function expandRecipient(
  mailbox: Mailbox,
  options: ExpandOptions,
): Promise<Expansion> {
  // Only `<postmaster>` has no domain, and it is local or nothing (RFC 5321 §4.5.1).
  if (mailbox.domain === "") return refused(UNKNOWN_USER);
  const answer = await options.lookup(mailbox.domain, mailbox.localPart);
  switch (answer.kind) {
    case "not_local":
      return relay(mailbox, options.mayRelay);
    case "mailbox":
      return { kind: "recipients", recipients: [local(mailbox, answer)] };
    case "no_such_user":
      return await takeBack(mailbox, options) ?? refused(UNKNOWN_USER);
    case "alias":
      // A catch-all takes what is nobody's, and a return path is somebody's.
      return await takeBack(mailbox, options) ?? await follow(mailbox, answer, options);
    case "too_large":
      return await takeBack(mailbox, options) ?? unfollowed("too_large", mailbox, options);
  }
}

/** The recipient as the spool keeps it. */
export function routedRecipient(recipient: ExpandedRecipient): RoutedRecipient {
  const { forwardPath } = recipient;
  return recipient.kind === "local"
    ? { forwardPath, transport: "local", destination: recipient.domain }
    : { forwardPath, transport: "smtp", destination: recipient.destination };
}

function relay(mailbox: Mailbox, mayRelay: boolean): Expansion {
  // Before the literal: a stranger learns nothing from us but that he may not relay.
  if (!mayRelay) return refused(RELAY_DENIED);
  return parseAddressLiteral(mailbox.domain)?.kind === "general"
    ? refused(UNUSABLE_LITERAL)
    : { kind: "recipients", recipients: [remote(mailbox, null)] };
}

/** A bounce to an address we forwarded under goes to the first sender; `null` for any other address. */
async function takeBack(mailbox: Mailbox, options: ExpandOptions): Promise<Expansion | null> {
  if (!/^SRS[01][=+-]/i.test(mailbox.localPart)) return null;
  const sender = options.takeBack(mailbox.localPart);
  if (sender === null) return refused(UNKNOWN_USER);
  // Followed like an alias: the sender's domain may have become ours since. But it is nobody's to mend.
  const answer = { kind: "alias", targets: [sender], user: null } as const;
  return await follow(mailbox, answer, { ...options, onFault: undefined });
}

async function follow(
  first: Mailbox,
  answer: Extract<DirectoryAnswer, { kind: "alias" }>,
  options: ExpandOptions,
): Promise<Expansion> {
  const found = new Map<string, ExpandedRecipient>();
  const seen = new Set([keyOf(first)]);
  let level: Followed[] = [{ alias: first, answer }];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === MAX_DEPTH) return unfollowed("too_deep", first, options);
    const next: Followed[] = [];
    for (const { alias, answer } of level) {
      const dead: string[] = [];
      for (const target of answer.targets) {
        const mailbox = targetOf(target, alias);
        // Behind `@domain` it is the client who named nobody.
        const isNamed = !target.startsWith("@");
        if (mailbox === null) {
          if (isNamed) dead.push(target);
          continue;
        }
        const key = keyOf(mailbox);
        // Whoever stands on his own alias keeps a copy in his own mailbox.
        if (key === keyOf(alias) && answer.user !== null) {
          found.set(key, local(mailbox, { domain: mailbox.domain, user: answer.user }));
        }
        if (seen.has(key)) continue;
        // Without the first, which none of the places it leads to is.
        if (seen.size - 1 === MAX_RECIPIENTS) return unfollowed("too_large", first, options);
        seen.add(key);
        const led = await options.lookup(mailbox.domain, mailbox.localPart);
        if (led.kind === "too_large") return unfollowed("too_large", mailbox, options);
        if (led.kind === "mailbox") found.set(key, local(mailbox, led));
        else if (led.kind === "alias") next.push({ alias: mailbox, answer: led });
        else if (led.kind === "not_local") found.set(key, remote(mailbox, first));
        else if (isNamed) dead.push(target);
      }
      if (dead.length > 0) {
        options.onFault?.({ kind: "dead_targets", alias: alias.mailbox, targets: dead });
      }
    }
    level = next;
  }
  const recipients = [...found.values()];
  return recipients.length === 0 ? refused(UNKNOWN_USER) : { kind: "recipients", recipients };
}

interface Followed {
  readonly alias: Mailbox;
  readonly answer: Extract<DirectoryAnswer, { kind: "alias" }>;
}

function unfollowed(
  kind: "too_large" | "too_deep",
  alias: Mailbox,
  { onFault }: ExpandOptions,
): Expansion {
  onFault?.({ kind, alias: alias.mailbox });
  return refused(kind === "too_large" ? TOO_LARGE : TOO_DEEP);
}

/** `@domain` keeps the alias' own local part. */
function targetOf(target: string, alias: Mailbox): Mailbox | null {
  const text = target.startsWith("@") ? formatMailbox(alias.localPart, target.slice(1)) : target;
  const mailbox = parseMailbox(text);
  return typeof mailbox === "string" ? null : mailbox;
}

function keyOf({ domain, localPart }: Mailbox): string {
  return `${localPart.normalize("NFC").toLowerCase()}@${domain}`;
}

function local(
  { mailbox }: Mailbox,
  { domain, user }: { readonly domain: string; readonly user: string },
): ExpandedRecipient {
  return { kind: "local", domain, user, forwardPath: mailbox };
}

function remote(
  { mailbox, domain }: Mailbox,
  forwardedBy: { readonly domain: string } | null,
): ExpandedRecipient {
  return {
    kind: "remote",
    forwardPath: mailbox,
    destination: domain,
    forwardedBy: forwardedBy === null ? null : { domain: forwardedBy.domain },
  };
}

function refused(reply: Reply): Expansion {
  return { kind: "refused", reply };
}
