/** What hooks are told, out of what the session knows: plain data that may cross threads, bounded. */
import { Buffer } from "node:buffer";
import type { HeaderSection } from "../mail/header_section.ts";
import type { ClientFacts, MailFacts, SpamScore } from "../spam/facts.ts";
import type { PolicyClient, PolicyField, PolicyHeader } from "./policy_hooks.ts";
import type { WireMessageFacts } from "./policy_wire.ts";

const MAX_FIELDS = 500;
/** RFC 5322 §2.1.1, as elsewhere. */
const MAX_VALUE_CHARACTERS = 998;

export function policyClient(
  client: Pick<ClientFacts, "address" | "reverse" | "lists">,
): PolicyClient {
  return {
    address: client.address,
    reverseName: client.reverse.name,
    lists: client.lists.map(({ zone, value }) => ({ zone, value })),
  };
}

export function policyMessage(
  facts: MailFacts,
  context: {
    readonly octets: Uint8Array;
    readonly sessionId: string;
    readonly score: SpamScore;
  },
): WireMessageFacts {
  const { content, client } = facts;
  return {
    nowMs: facts.nowMs,
    sessionId: context.sessionId,
    client: policyClient(client),
    heloName: client.heloName,
    reversePath: facts.reversePath,
    recipients: [...facts.recipients],
    fields: headerFields(facts.header, context.octets),
    text: content.text,
    linkHosts: [...new Set(content.links.map(({ host }) => host))],
    attachments: content.parts
      .filter(({ disposition, fileName }) => disposition === "attachment" || fileName !== null)
      .map(({ mediaType, fileName, sizeOctets }) => ({ mediaType, fileName, sizeOctets })),
    sizeOctets: facts.sizeOctets,
    authentication: facts.authentication,
    spam: {
      points: context.score.points,
      signals: context.score.signals.map(({ name, points, text }) => ({ name, points, text })),
    },
  };
}

function headerFields(header: HeaderSection, octets: Uint8Array): readonly PolicyField[] {
  const fields: PolicyField[] = [];
  for (const { name, valueStartOctet, valueEndOctet } of header.fields()) {
    // Octets suffice for the characters: UTF-8 takes at most four each.
    const endOctet = Math.min(valueEndOctet, valueStartOctet + 4 * MAX_VALUE_CHARACTERS);
    fields.push({ name, value: unfolded(octets.subarray(valueStartOctet, endOctet)) });
    if (fields.length === MAX_FIELDS) break;
  }
  return fields;
}

function unfolded(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString("utf8")
    .replace(/\r?\n(?=[ \t])/g, "")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x1f\x7f-\x9f]/g, " ")
    .trim()
    .slice(0, MAX_VALUE_CHARACTERS)
    .toWellFormed();
}

/** The header section as hooks look into it. */
export function policyHeader(fields: readonly PolicyField[]): PolicyHeader {
  const valuesOf = (name: string) => {
    const lower = name.toLowerCase();
    return fields.filter((field) => field.name.toLowerCase() === lower).map(({ value }) => value);
  };
  return {
    fields,
    first: (name) => valuesOf(name)[0] ?? null,
    all: valuesOf,
  };
}
