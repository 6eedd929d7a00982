/**
 * Which folder of a mailbox a message is for: what was tagged as spam when it was accepted goes to Junk. Reads only
 * the fields on top that a receiving server puts there, so that what a sender wrote further down moves nothing.
 */
import { readHeaderSection } from "../../mail/header_section.ts";

export type MailFolder = "inbox" | "junk";

const MAX_OCTETS = 8_192;
/** Put on top on the way in: by Maildir delivery, as trace, and with what was found about the message. */
const OURS = new Set([
  ...["return-path", "delivered-to", "received", "authentication-results", "received-spf"],
  ...["dkim-signature", "arc-seal", "arc-message-signature", "arc-authentication-results"],
]);
const OURS_PREFIX = "x-spam-";
const FLAG = "x-spam-flag";

/** @param octets a message as it was accepted, or as it lies in a mailbox. */
export function mailFolderOf(octets: Uint8Array): MailFolder {
  const header = readHeaderSection(octets.subarray(0, MAX_OCTETS), { maxOctets: MAX_OCTETS });
  let received = 0;
  for (const { name, valueStartOctet, valueEndOctet } of header.fields()) {
    const lower = name.toLowerCase();
    // The second trace field is of who had the message before.
    if (lower === "received" && ++received > 1) break;
    if (lower === FLAG) {
      const value = String.fromCharCode(
        ...octets.subarray(valueStartOctet, valueEndOctet).slice(0, 8),
      );
      return value.trim().toLowerCase() === "yes" ? "junk" : "inbox";
    }
    if (!OURS.has(lower) && !lower.startsWith(OURS_PREFIX)) break;
  }
  return "inbox";
}
