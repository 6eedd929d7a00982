/**
 * What is wrong with the name a client gives in HELO or EHLO (RFC 5321 §4.1.1.1, §4.1.4). Finds faults;
 * whether they refuse mail or score it is decided elsewhere, for §4.1.4 forbids refusing over it alone.
 */
import type { DnsAnswer, MxRecord, Resolver } from "../dns/resolver.ts";
import { normalizeDomain, parseAddressLiteral } from "../mail/domain.ts";
import { formatIp, parseIp } from "../mail/ip_address.ts";
import type { HeloFault } from "../spam/facts.ts";
import { within } from "./deadline.ts";

export interface HeloContext {
  readonly clientAddress: string;
  /** Whether a name, in A-labels and lower case, is this server's own. */
  readonly isOurName: (name: string) => boolean;
}

/** Faults of form, all but `no_address`; at most one. */
export function heloSyntaxFault(heloName: string, context: HeloContext): HeloFault | null {
  if (parseIp(heloName) !== null) return "bare_address";
  if (heloName.startsWith("[")) return literalFault(heloName, context.clientAddress);
  const name = nameOf(heloName);
  if (name === null) return "not_a_name";
  if (context.isOurName(name)) return "our_name";
  return name.includes(".") ? null : "no_dot";
}

/**
 * Faults of form, and for a name without one whether it leads anywhere. Not knowing is no fault.
 * @param options `deadlineMs` is for all questions together.
 */
export async function checkHeloName(
  heloName: string,
  options: HeloContext & { readonly resolver: Resolver; readonly deadlineMs: number },
): Promise<readonly HeloFault[]> {
  const fault = heloSyntaxFault(heloName, options);
  if (fault !== null) return [fault];
  const name = heloName.startsWith("[") ? null : nameOf(heloName);
  if (name === null) return [];
  const leadsNowhere = await within(isNowhere(name, options.resolver), {
    deadlineMs: options.deadlineMs,
    late: false,
  });
  return leadsNowhere ? ["no_address"] : [];
}

/** Whether the DNS says for certain that a name has no address and no mail exchanger. */
async function isNowhere(name: string, resolver: Resolver): Promise<boolean> {
  const a = await resolver.a(name);
  // RFC 8020 §2: a name that does not exist has no other records either.
  if (a.kind !== "nodata") return a.kind === "nxdomain";
  const [aaaa, mx] = await Promise.all([resolver.aaaa(name), resolver.mx(name)]);
  return isNothing(aaaa) && (isNothing(mx) || isNullMx(mx));
}

function isNothing({ kind }: DnsAnswer<unknown>): boolean {
  return kind === "nodata" || kind === "nxdomain";
}

function isNullMx(answer: DnsAnswer<MxRecord>): boolean {
  return answer.kind === "found" && answer.records.every(({ exchange }) => exchange === ".");
}

/** The root's dot at the end is bad form and says nothing false. */
function nameOf(heloName: string): string | null {
  return normalizeDomain(heloName.endsWith(".") ? heloName.slice(0, -1) : heloName);
}

function literalFault(text: string, clientAddress: string): HeloFault | null {
  const literal = parseAddressLiteral(text);
  if (literal === null) return "not_a_name";
  // Departs from RFC 5321 §4.1.3: an IPv6 address without its tag is taken for what it is.
  const said = parseIp(literal.kind === "ip" ? literal.address : text.slice(1, -1));
  const client = parseIp(clientAddress);
  const isTrue = said !== null && client !== null && formatIp(said) === formatIp(client);
  return isTrue ? null : "wrong_literal";
}
