/** Signals of the client that brings a message: its names, and the lists that know it. */
import { parseIp } from "../mail/ip_address.ts";
import type { ClientFacts, HeloFault, ListHit } from "./facts.ts";
import type { Findings } from "./findings.ts";
import type { MailView } from "./mail_view.ts";
import type { SignalName } from "./signal_names.ts";

const MAX_LISTS = 12;

const HELO_SIGNALS: Readonly<Record<HeloFault, SignalName>> = {
  not_a_name: "HELO_NOT_A_NAME",
  no_dot: "HELO_NO_DOT",
  bare_address: "HELO_BARE_ADDRESS",
  wrong_literal: "HELO_WRONG_LITERAL",
  our_name: "HELO_OUR_NAME",
  no_address: "HELO_NO_ADDRESS",
};

export function findClient({ facts }: MailView, findings: Findings): void {
  const { client } = facts;
  for (const fault of client.heloFaults) findings.add(HELO_SIGNALS[fault], client.heloName);
  if (client.reverse.verdict === "none") findings.add("RDNS_NONE", client.address);
  if (client.reverse.verdict === "fail") findings.add("RDNS_FAIL", client.address);
  if (isNamedByAddress(client)) findings.add("RDNS_DYNAMIC", client.reverse.name ?? "");
  findLists(client.lists, findings);
  for (const hit of facts.linkLists.slice(0, MAX_LISTS)) {
    const detail = `${hit.subject} on ${hit.zone}`;
    findings.addEach("LINK_LISTED", { detail, amount: hit.weight });
  }
}

function findLists(lists: readonly ListHit[], findings: Findings): void {
  for (const { zone, value, weight } of lists.slice(0, MAX_LISTS)) {
    const detail = `${zone} ${value}`;
    if (weight > 0) findings.addEach("CLIENT_LISTED", { detail, amount: weight });
    if (weight < 0) findings.addEach("CLIENT_WELCOME", { detail, amount: -weight });
  }
}

/** Whether the name was made out of the address, as providers name the lines of their customers. */
function isNamedByAddress({ address, reverse: { name } }: ClientFacts): boolean {
  const ip = parseIp(address);
  if (name === null || ip === null || ip[2] !== 0xffff) return false;
  const octets = [24, 16, 8, 0].map((shift) => String((ip[3] >>> shift) & 255));
  const numbers = name.split(/[^0-9]+/, 16);
  const isIn = (wanted: readonly string[]) =>
    numbers.some((_, at) =>
      wanted.every((octet, index) =>
        Number(numbers[at + index]) === Number(octet) && numbers[at + index] !== ""
      )
    );
  return isIn(octets) || isIn(octets.toReversed()) ||
    name.includes(octets.map((octet) => octet.padStart(3, "0")).join(""));
}
