/**
 * What a reply means for its question (RFC 1034 §4.3.2, RFC 2308 §2): decides between records, the
 * two kinds of "nothing", a failure, and a CNAME chain that goes on elsewhere.
 */
import type { Message } from "./message.ts";
import type { DnsAnswer, TempfailReason } from "./resolver.ts";

/** CNAMEs followed for one question, over all replies; resolvers themselves give up at 8 to 20. */
export const MAX_CNAMES = 12;

const RCODE_NOERROR = 0;
const RCODE_FORMERR = 1;
const RCODE_SERVFAIL = 2;
const RCODE_NXDOMAIN = 3;
const RCODE_NOTIMP = 4;
const RCODE_REFUSED = 5;

/** A place on a CNAME chain and what held on the way there. */
export interface Chain {
  /** The name to look for next. */
  readonly name: string;
  readonly cnames: number;
  readonly ttlS: number;
  readonly authenticated: boolean;
}

export type Reading<T> =
  /** `ttlS` is how long the answer may be remembered, 0 for not at all. */
  | { readonly kind: "answer"; readonly answer: DnsAnswer<T>; readonly ttlS: number }
  /** The chain leaves what the server knows or told: ask for its end (RFC 1034 §5.3.3 step 4c). */
  | { readonly kind: "continues"; readonly chain: Chain }
  /** Another server may know better. */
  | { readonly kind: "failed"; readonly reason: TempfailReason }
  /** Ask the same server again in plain DNS (RFC 6891 §7). */
  | { readonly kind: "rejects_edns" };

/** The chain before any CNAME. */
export function chainStart(name: string): Chain {
  return { name, cnames: 0, ttlS: Infinity, authenticated: true };
}

/** Reads a message as the answer to the name a chain has come to. */
export function readAnswer<T>(message: Message<T>, from: Chain): Reading<T> {
  const { rcode } = message;
  if (rcode !== RCODE_NOERROR && rcode !== RCODE_NXDOMAIN) return readFailure(message);

  const chain = followAliases(message, from);
  if (chain === null) {
    return { kind: "answer", answer: { kind: "tempfail", reason: "cname_loop" }, ttlS: 0 };
  }
  const records = message.records.filter((record) => record.owner === chain.name);
  if (rcode === RCODE_NOERROR && records.length > 0) {
    const ttlS = records.reduce((least, record) => Math.min(least, record.ttlS), chain.ttlS);
    const { authenticated } = chain;
    const values = records.map((record) => record.value);
    return {
      kind: "answer",
      answer: { kind: "found", records: values, ttlS, authenticated },
      ttlS,
    };
  }
  // RFC 2308 §5: without a SOA a negative answer is not to be remembered.
  const ttlS = message.negativeTtlS === null ? 0 : Math.min(chain.ttlS, message.negativeTtlS);
  // RFC 6604 §3: with a chain the RCODE is about its last name.
  if (rcode === RCODE_NXDOMAIN) return { kind: "answer", answer: { kind: "nxdomain" }, ttlS };
  if (message.negativeTtlS === null) {
    if (chain.name !== from.name) return { kind: "continues", chain };
    // Records of another name alone are no answer, and no word that there are none of this one.
    if (message.records.length > 0) return { kind: "failed", reason: "malformed" };
    // RFC 2308 §2.2: name servers without a SOA are a referral: this server does not resolve.
    const isReferral = message.delegates && !message.authoritative && !message.recursionAvailable;
    if (isReferral) return { kind: "failed", reason: "refused" };
  }
  return { kind: "answer", answer: { kind: "nodata" }, ttlS };
}

function readFailure<T>(message: Message<T>): Reading<T> {
  switch (message.rcode) {
    case RCODE_FORMERR:
    case RCODE_NOTIMP:
      return message.edns ? { kind: "failed", reason: "malformed" } : { kind: "rejects_edns" };
    case RCODE_REFUSED:
      return { kind: "failed", reason: "refused" };
    case RCODE_SERVFAIL:
    default:
      return { kind: "failed", reason: "servfail" };
  }
}

/** Where the aliases of a message lead from the chain's end, or `null` if round in circles. */
function followAliases<T>(message: Message<T>, from: Chain): Chain | null {
  const chain = { ...from, authenticated: from.authenticated && message.authenticated };
  while (true) {
    const alias = message.aliases.find((record) => record.owner === chain.name);
    if (alias === undefined) return chain;
    if (++chain.cnames > MAX_CNAMES) return null;
    chain.name = alias.value;
    chain.ttlS = Math.min(chain.ttlS, alias.ttlS);
  }
}
