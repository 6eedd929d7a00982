/** What hostile messages are put together from. */
import { Buffer } from "node:buffer";

export type Build = () => string | Uint8Array;
/** Built when it is wanted. */
export type Entry = readonly [name: string, build: Build];

export const FROM = "From: Ann <ann@example.org>\r\nTo: <bob@example.net>\r\nSubject: Hello\r\n" +
  "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n";
export const MIB = 1_048_576;

export function octetsOf(made: string | Uint8Array): Uint8Array {
  return typeof made === "string" ? new Uint8Array(Buffer.from(made, "latin1")) : made;
}

/** As much of the repeated text as fits. */
export function fill(text: string, size: number): string {
  return text.repeat(Math.max(1, Math.floor(size / text.length)));
}

export function mail(fields: string, body: string): string {
  return `${FROM}${fields}\r\n${body}`;
}

export function multipart(boundary: string, body: string, type = "mixed"): string {
  return mail(`Content-Type: multipart/${type}; boundary="${boundary}"\r\n`, body);
}
