/**
 * What our own users may send, and what is mended for their programs (RFC 6409 §6, §8). Decides from
 * the header section and the account; knows neither the dialogue nor where accounts come from.
 */
import { Buffer } from "node:buffer";
import { type NamedAddress, parseAddressList } from "../mail/address_list.ts";
import type { HeaderField, HeaderSection } from "../mail/header_section.ts";
import { formatMailbox, type Mailbox, parseMailbox } from "../mail/path.ts";
import { dateTime } from "../mail/received.ts";
import { type Reply, reply } from "../mail/reply.ts";
import type { Account } from "../store/directory.ts";

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

/**
 * Whether a user sends as this mailbox: as himself, with or without a detail behind a `+`, as an alias
 * that leads to him, or as what he was granted: an address, `@domain`, or `*`.
 */
export function ownsSender(
  { user, senders }: Pick<Account, "user" | "senders">,
  { localPart, domain }: Pick<Mailbox, "localPart" | "domain">,
): boolean {
  const name = keyOf(localPart);
  const owns = (address: { readonly localPart: string; readonly domain: string }) =>
    address.domain === domain &&
    (name === address.localPart || name.startsWith(`${address.localPart}+`));
  if (owns({ localPart: keyOf(user.localPart), domain: user.domain })) return true;
  return senders.some((sender) => {
    if (sender === "*" || sender.toLowerCase() === `@${domain}`) return true;
    const mailbox = parseMailbox(sender);
    return typeof mailbox !== "string" &&
      owns({ localPart: keyOf(mailbox.localPart), domain: mailbox.domain });
  });
}

/** @param options `account`: `null` for a client whose network is trusted to name any author. */
export function checkSubmission(
  header: HeaderSection,
  octets: Uint8Array,
  options: { readonly account: Account | null },
): SubmissionCheck {
  const fields = [...header.fields()];
  if (!isWellFormed(header, fields, octets)) {
    return refused("6.0", "The header section has a line that is no field (RFC 5322 2.2)");
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
    const { account } = options;
    const foreign = account === null
      ? undefined
      : list.addresses.find((address) => !ownsSender(account, address));
    if (foreign !== undefined) {
      return refused("7.1", `${field.name}: ${shown(foreign)} is not yours`);
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

/**
 * The message with Date and Message-ID where they were missing (RFC 6409 §8.2, §8.3) and without Bcc;
 * the same octets when there is nothing to mend.
 */
export function mendSubmission<T extends Uint8Array>(
  header: HeaderSection,
  octets: T,
  options: { readonly nowMs: number; /** With its brackets. */ readonly messageId: string },
): T | Uint8Array {
  const added = [
    header.has("Date") ? "" : `Date: ${dateTime(options.nowMs)}\r\n`,
    header.has("Message-ID") ? "" : `Message-ID: ${options.messageId}\r\n`,
  ].join("");
  const blind = [...header.fields()].filter(({ name }) => BLIND.has(name.toLowerCase()));
  if (added === "" && blind.length === 0) return octets;
  const kept: Uint8Array[] = [Buffer.from(added)];
  let at = 0;
  for (const { startOctet, valueEndOctet } of blind) {
    kept.push(octets.subarray(at, startOctet));
    at = lineEndOf(octets, valueEndOctet);
  }
  kept.push(octets.subarray(at));
  return Buffer.concat(kept);
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
