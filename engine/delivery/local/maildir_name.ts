/**
 * Names of folders and files in a mail store. Decides how any domain and user become one path segment
 * each, safely and reversibly, and how a delivery's copy is called. Knows nothing of the file system
 * but that a segment has at most 255 octets, and neither `/` nor NUL.
 */
import type { DeliveryId } from "../../mail/queue_id.ts";

/** NAME_MAX of every file system in use. */
const MAX_SEGMENT_OCTETS = 255;

const PLAIN = /^[A-Za-z0-9_+=][A-Za-z0-9_+=.-]*$/;

/**
 * A path segment for any text, or `null` when it would not fit. Everything but letters, digits and
 * `_ + = . -` becomes `%XX` by its UTF-8 octets; so does a dot or hyphen in front, which would make
 * `..`, a hidden file, or an option of a shell command. Empty text becomes `%`.
 */
export function encodeSegment(text: string): string | null {
  if (PLAIN.test(text)) return text.length <= MAX_SEGMENT_OCTETS ? text : null;
  if (text === "") return "%";
  // An octet takes at least one character: the rest is sure not to fit.
  if (text.length > MAX_SEGMENT_OCTETS || !text.isWellFormed()) return null;
  let segment = "";
  for (const octet of new TextEncoder().encode(text)) {
    const char = String.fromCharCode(octet);
    segment += PLAIN.test(char) || (segment !== "" && (char === "." || char === "-"))
      ? char
      : "%" + octet.toString(16).toUpperCase().padStart(2, "0");
  }
  return segment.length <= MAX_SEGMENT_OCTETS ? segment : null;
}

/** The text `encodeSegment` made a segment of; `null` for a segment it never makes. */
export function decodeSegment(segment: string): string | null {
  if (segment === "%") return "";
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    return null;
  }
  return encodeSegment(text) === segment ? text : null;
}

/**
 * The file name of a delivery's copy, the same at every attempt and on every node; unlike a common
 * Maildir name it therefore names no host and no process.
 *
 * @param facts `sizeOctets` of the whole file, which Maildir readers take from the name.
 */
export function copyName(
  id: DeliveryId,
  facts: { readonly queuedAtMs: number; readonly sizeOctets: number },
): string {
  const seconds = Math.floor(facts.queuedAtMs / 1000);
  return `${seconds}.${id.replaceAll(".", "_")}.sluice,S=${facts.sizeOctets}`;
}
