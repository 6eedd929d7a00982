/**
 * Names of a mailbox's folders as the file system has them (Maildir++): a dot in front, and what is not ASCII in
 * the modified UTF-7 of IMAP (RFC 3501 §5.1.3), by which Dovecot and Courier read them.
 */
import { Buffer } from "node:buffer";

/** @param name without `/` and `.`, which part folders from those in them. */
export function folderSegment(name: string): string {
  return `.${modifiedUtf7(name)}`;
}

/** The name as IMAP and lists of subscriptions have it. */
export function modifiedUtf7(name: string): string {
  return name.replaceAll("&", "&-").replace(/[^\x20-\x7e]+/g, (run) => {
    const octets = Buffer.from(run, "utf16le").swap16();
    return `&${octets.toString("base64").replace(/=+$/, "").replaceAll("/", ",")}-`;
  });
}
