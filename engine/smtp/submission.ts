/**
 * What our own users may send, and what is mended for their programs (RFC 6409 §6, §8). Decides from
 * the header section, the account and what the directory answers; knows neither the dialogue nor where
 * accounts come from.
 *
 * A name is his whom its mail reaches by name: the user's own, with a detail where the domain has plus
 * addressing, and what an alias leads to him, unless another user bears that name. The catch-all gives
 * its target the names nobody else has, `@old` leading to `@new` gives each user there his own name at
 * the other. An alias of an alias gives nothing, nor does postmaster's mail for want of a postmaster.
 * What goes further is granted: an address with its details, `@domain`, or `*`, each in full.
 *
 * UTF-8 in the header section passes as it is (RFC 6532). It does not make a message need SMTPUTF8 whose
 * client did not ask for it: many programs write such subjects and nearly every server takes them, while
 * at one that knows no SMTPUTF8 the message would end in a report. Octets that are no UTF-8 are refused
 * there, where nothing names their charset. Lines above 998 octets pass too (RFC 5322 §2.1.1, RFC 5321
 * §4.5.3.1.6): no signature or transfer of ours minds them, and to break them would break the message.
 */
import { isUtf8 } from "node:buffer";
import { type NamedAddress, parseAddressList } from "../mail/address_list.ts";
import type { HeaderField, HeaderSection } from "../mail/header_section.ts";
import { formatMailbox, type Mailbox, parseMailbox } from "../mail/path.ts";
import { dateTime } from "../mail/received.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { DirectoryAnswer } from "../routing/route.ts";
import type { Account, UserName } from "../store/directory.ts";
import type { OctetRange } from "../mail/octet_range.ts";

export type SubmissionCheck =
  | { readonly kind: "ok" }
  | { readonly kind: "refused"; readonly reply: Reply };

/** Fields that say who sends, all of them the user himself or whom he was granted. */
const AUTHORS = new Set(["from", "sender", "resent-from", "resent-sender"]);
/** RFC 5322 §3.6: at most once in a message, lest two readers take different ones. */
const SINGLES = new Set([
  "from",
  "sender",
  "reply-to",
  "to",
  "cc",
  "subject",
  "date",
  "message-id",
]);
/** RFC 5322 §3.6.3: for the sender's eyes alone. */
const BLIND = new Set(["bcc", "resent-bcc"]);
const MAX_SHOWN_CHARACTERS = 100;
const LF = 10;
const CR = 13;

export type SenderName = Pick<Mailbox, "localPart" | "domain">;

/** Whether a user may send as a mailbox. @throws {StoreUnavailableError} */
export type OwnsSender = (account: Account, sender: SenderName) => Promise<boolean>;

/** @param options `answer`: what the directory knows of the sender. */
export function ownsSender(
  { user, senders }: Pick<Account, "user" | "senders">,
  sender: SenderName,
  options: { readonly answer: DirectoryAnswer },
): boolean {
  return isGranted(sender, senders) || reaches(sender, options.answer, user);
}

function isGranted(sender: SenderName, grants: readonly string[]): boolean {
  return grants.some((grant) => {
    if (grant === "*" || grant.toLowerCase() === `@${sender.domain}`) return true;
    const mailbox = parseMailbox(grant);
    return typeof mailbox !== "string" && mailbox.domain === sender.domain &&
      isWithDetail(sender, keyOf(mailbox.localPart));
  });
}

function reaches(sender: SenderName, answer: DirectoryAnswer, user: UserName): boolean {
  const isUser = (domain: string, name: string) =>
    domain === user.domain && name === user.localPart;
  switch (answer.kind) {
    case "mailbox":
      return isUser(answer.domain, answer.user) && isWithDetail(sender, answer.user);
    case "alias":
      if (answer.user !== null) return isUser(sender.domain, answer.user);
      return answer.targets.some((target) =>
        target.startsWith("@")
          ? isUser(target.slice(1), keyOf(sender.localPart))
          : target === formatMailbox(user.localPart, user.domain)
      );
    case "too_large":
    case "no_such_user":
    case "not_local":
      return false;
  }
}

function isWithDetail(sender: SenderName, name: string): boolean {
  const key = keyOf(sender.localPart);
  return key === name || key.startsWith(`${name}+`);
}

/** @param options `account`: `null` for a client whose network is trusted to name any author. */
export async function checkSubmission(
  header: HeaderSection,
  octets: Uint8Array,
  options: { readonly account: Account | null; readonly owns: OwnsSender },
): Promise<SubmissionCheck> {
  const fields = [...header.fields()];
  if (!isWellFormed(header, fields, octets)) {
    return refused("6.0", "The header section has a line that is no field (RFC 5322 2.2)");
  }
  // RFC 6532 §3.1
  if (!isUtf8(octets.subarray(0, header.sizeOctets))) {
    return refused("6.0", "The header section has octets that are no UTF-8 (RFC 6532 3.1)");
  }
  const seen = new Set<string>();
  for (const field of fields) {
    const name = field.name.toLowerCase();
    if (SINGLES.has(name) && seen.has(name)) {
      return refused("6.0", `More than one ${field.name} field (RFC 5322 3.6)`);
    }
    seen.add(name);
    if (!AUTHORS.has(name)) continue;
    const list = parseAddressList(octets.subarray(field.valueStartOctet, field.valueEndOctet));
    if (list.kind === "fault" || list.addresses.length === 0) {
      return refused("6.0", `Cannot read the ${field.name} field (RFC 5322 3.4)`);
    }
    const { account, owns } = options;
    if (account === null) continue;
    for (const address of list.addresses) {
      if (await owns(account, address)) continue;
      return refused("7.1", `${field.name}: ${shown(address)} is not yours`);
    }
  }
  return seen.has("from")
    ? { kind: "ok" }
    : refused("6.0", "The message has no From field (RFC 5322 3.6)");
}

/** Whether every line belongs to a field, so that no other program finds an author we have not. */
function isWellFormed(
  header: HeaderSection,
  fields: readonly HeaderField[],
  octets: Uint8Array,
): boolean {
  let endOctet = 0;
  for (const { name, startOctet, valueEndOctet } of fields) {
    // RFC 5322 §3.6.8: no white space within a name; whether `X From` is From depends on who reads.
    if (startOctet !== endOctet || /[ \t]/.test(name)) return false;
    endOctet = valueEndOctet + 2;
  }
  const isWhole = header.isTerminated || header.sizeOctets === octets.length;
  // The last line may lack its end when the message has no body.
  return isWhole && endOctet >= header.sizeOctets;
}

/** What makes a submission whole: fields to put on top, and octets to take out. */
export interface Mending {
  /** With their line ends; empty when none are missing. */
  readonly added: string;
  readonly removed: readonly OctetRange[];
}

/** Adds Date and Message-ID where they are missing (RFC 6409 §8.2, §8.3) and takes Bcc out. */
export function mendSubmission(
  header: HeaderSection,
  octets: Uint8Array,
  options: { readonly nowMs: number; /** With its brackets. */ readonly messageId: string },
): Mending {
  return {
    added: [
      header.has("Date") ? "" : `Date: ${dateTime(options.nowMs)}\r\n`,
      header.has("Message-ID") ? "" : `Message-ID: ${options.messageId}\r\n`,
    ].join(""),
    removed: [...header.fields()]
      .filter(({ name }) => BLIND.has(name.toLowerCase()))
      .map(({ startOctet, valueEndOctet }) => ({
        startOctet,
        endOctet: lineEndOf(octets, valueEndOctet),
      })),
  };
}

/** Behind the line end that stands at `at`, if one does. */
function lineEndOf(octets: Uint8Array, at: number): number {
  if (octets[at] === CR) at++;
  return octets[at] === LF ? at + 1 : at;
}

function refused(status: `${number}.${number}`, text: string): SubmissionCheck {
  return { kind: "refused", reply: reply(550, status, text) };
}

function shown({ localPart, domain }: NamedAddress): string {
  const text = formatMailbox(localPart, domain);
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}…` : text;
}

function keyOf(localPart: string): string {
  return localPart.normalize("NFC").toLowerCase();
}
