/**
 * DKIM signatures for mail of our own domains (RFC 6376, RFC 8463): relaxed/relaxed, over the fields a
 * reader sees, one signature for each key of the domain. Canonical forms are made once for all of them.
 * Does not know where keys come from or whether their records are published.
 */
import { Buffer } from "node:buffer";
import type { Signer } from "../crypto/signer.ts";
import type { HeaderField, HeaderSection } from "../mail/header_section.ts";
import { relaxedBodyHash, relaxedField } from "./dkim_canonical.ts";

export interface SigningKey {
  /** A-labels. */
  readonly domain: string;
  readonly selector: string;
  readonly signer: Signer;
}

/**
 * Signed once more often than they are there, so that none can be put on top afterwards: readers show
 * the first, verifiers check the last (RFC 6376 §8.15).
 */
const OVERSIGNED = [
  ...["from", "to", "cc", "subject", "date", "reply-to", "sender", "message-id"],
  ...["in-reply-to", "references", "mime-version", "content-type", "content-transfer-encoding"],
];
/** Signed as often as they are there: a list or a resender adds its own (RFC 6376 §5.4.1). */
const SIGNED_IF_PRESENT = [
  ...["resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-message-id"],
  ...["content-id", "content-description", "auto-submitted", "feedback-id"],
  ...["list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post", "list-subscribe"],
  ...["list-post", "list-owner", "list-archive"],
];
const SIGNED = new Set([...OVERSIGNED, ...SIGNED_IF_PRESENT]);

/** Fields of one name at the most; a message with more is no letter. */
const MAX_FIELDS_SIGNED = 200;
const LINE_CHARACTERS = 76;

/**
 * The DKIM-Signature fields for a message, each with its line end, to put on top of it. Empty when no
 * signature would hold: without a From, which it must cover (RFC 6376 §5.4), and when the header section has
 * lines that are no fields, no end within our bound, or too much of one field.
 *
 * @param octets the message, its lines ending in CRLF; `header` is its header section.
 * @param options `openKeys` is asked when the body is hashed, which takes more than one turn of the event
 * loop if it is large: signers need not stay open so long.
 */
export async function signMessage(
  octets: Uint8Array,
  header: HeaderSection,
  options: { readonly openKeys: () => readonly SigningKey[]; readonly nowMs: number },
): Promise<string> {
  const view = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const signed = signedFields(header, view);
  if (signed === null) return "";
  const { names, canonical } = signed;
  const bodyHash = (await relaxedBodyHash(octets.subarray(header.bodyOctet))).toString("base64");
  const atS = Math.floor(options.nowMs / 1000);
  return options.openKeys().map(({ domain, selector, signer }) => {
    const value = " v=1; " + fold([
      `a=${signer.algorithm};`,
      "c=relaxed/relaxed;",
      `d=${domain};`,
      `s=${selector};`,
      `t=${atS};`,
      ...names.map((name, index) =>
        `${index === 0 ? "h=" : ""}${name}${index === names.length - 1 ? ";" : ":"}`
      ),
      `bh=${bodyHash};`,
    ]) + "\r\n\tb=";
    // RFC 6376 §3.7: the signature's own field goes last, b= empty, without a line end.
    const own = relaxedField("DKIM-Signature", value);
    const signature = signer.sign(Buffer.from(canonical + own, "latin1"));
    return `DKIM-Signature:${value}${wrapped(base64(signature))}\r\n`;
  }).join("");
}

/**
 * What h= names and the text it stands for: of fields with one name, the last first (RFC 6376 §5.4.2).
 * `null` when verifiers would see other fields than we do.
 */
function signedFields(
  header: HeaderSection,
  view: Buffer,
): { readonly names: readonly string[]; readonly canonical: string } | null {
  const isWhole = header.isTerminated || header.sizeOctets === view.length;
  if (!isWhole || !header.hasOnlyFields()) return null;
  const fieldsByName = new Map<string, HeaderField[]>();
  for (const field of header.fields()) {
    const name = field.name.toLowerCase();
    if (!SIGNED.has(name)) continue;
    const fields = fieldsByName.get(name);
    if (fields === undefined) fieldsByName.set(name, [field]);
    else if (fields.push(field) > MAX_FIELDS_SIGNED) return null;
  }
  if (!fieldsByName.has("from")) return null;
  const names: string[] = [];
  let canonical = "";
  for (const [name, fields] of fieldsByName) {
    for (const field of fields.reverse()) {
      const value = view.toString("latin1", field.valueStartOctet, field.valueEndOctet);
      canonical += relaxedField(name, value) + "\r\n";
      names.push(name);
    }
  }
  return { names: [...names, ...OVERSIGNED], canonical };
}

/** Words on lines that mail programs like; `h=` is only broken behind a colon. */
function fold(words: readonly string[]): string {
  let text = "";
  // Behind `DKIM-Signature: v=1; `.
  let column = 21;
  let isJoined = true;
  for (const word of words) {
    if (column + word.length + 1 > LINE_CHARACTERS) {
      text += `\r\n\t${word}`;
      column = 8 + word.length;
    } else {
      text += isJoined ? word : ` ${word}`;
      column += word.length + (isJoined ? 0 : 1);
    }
    isJoined = word.endsWith(":");
  }
  return text;
}

function wrapped(text: string): string {
  const lines = [text.slice(0, LINE_CHARACTERS - 10)];
  for (let at = LINE_CHARACTERS - 10; at < text.length; at += LINE_CHARACTERS - 8) {
    lines.push(text.slice(at, at + LINE_CHARACTERS - 8));
  }
  return lines.join("\r\n\t");
}

function base64(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("base64");
}
