/**
 * A name for a message that is the same wherever it is met: in the mailboxes of several recipients, with other
 * fields put on top, in a file with other line ends. By it a message is learnt from once.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { HeaderSection } from "../mail/header_section.ts";

/** What the author's side wrote. */
const FIELDS = ["message-id", "date", "from", "subject"];
/** Messages that begin alike for so long are one. */
const MAX_BODY_OCTETS = 262_144;
const HEX_DIGITS = 32;
const LF = 10;
const CR = 13;

/** 32 hexadecimal digits in lower case. */
export function messageFingerprint(octets: Uint8Array, header: HeaderSection): string {
  const hash = createHash("sha256");
  for (const name of FIELDS) hash.update(`${header.first(name) ?? ""}\n`);
  const body = octets.subarray(header.bodyOctet, header.bodyOctet + MAX_BODY_OCTETS);
  return hash.update(withoutLineEndings(body)).digest("hex").slice(0, HEX_DIGITS);
}

/** Programs that store mail write CRLF or LF, and add or drop empty lines at the end. */
function withoutLineEndings(body: Uint8Array): Uint8Array {
  const kept = Buffer.alloc(body.length);
  let length = 0;
  let start = 0;
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  for (let cr = view.indexOf(CR); cr >= 0; cr = view.indexOf(CR, start)) {
    length += view.copy(kept, length, start, cr);
    start = cr + 1;
  }
  length += view.copy(kept, length, start);
  while (length > 0 && kept[length - 1] === LF) length--;
  return kept.subarray(0, length);
}
