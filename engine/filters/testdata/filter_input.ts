/** A message as filters are shown it. */
import { Buffer } from "node:buffer";
import { readHeaderSection } from "../../mail/header_section.ts";
import type { FilterInput } from "../filter.ts";

export function filterInput(
  text = "From: a@example.net\r\nSubject: x\r\n\r\nhello\r\n",
  facts: Partial<FilterInput> = {},
): FilterInput {
  const octets = new Uint8Array(Buffer.from(text, "latin1"));
  return {
    octets,
    header: readHeaderSection(octets),
    client: { address: "192.0.2.1", port: 40_000, reverseName: "mail.example.net" },
    heloName: "mail.example.net",
    reversePath: "a@example.net",
    recipients: ["ann@example.org"],
    id: "0AM8N6VJR0100",
    user: null,
    ...facts,
  };
}
