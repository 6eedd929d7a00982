/**
 * All that is found out about where a message comes from: signatures, chain and policy at once, beside SPF, which
 * was known before the message (RFC 6376, RFC 8617, RFC 9989). Bounded in time; decides nothing.
 */
import type { Verifier } from "../crypto/verifier.ts";
import type { DnsAnswer, Resolver } from "../dns/resolver.ts";
import type { HeaderSection } from "../mail/header_section.ts";
import { verifyArc } from "./arc_verify.ts";
import { authorDomain } from "./author_domain.ts";
import { verifyDkim } from "./dkim_verify.ts";
import { DmarcEvaluation } from "./dmarc.ts";
import type { Authentication } from "./results.ts";
import { SignedMessage } from "./signed_message.ts";
import type { SpfResults } from "./spf.ts";

export interface AuthenticateOptions {
  /** Of this transaction. */
  readonly spf: SpfResults;
  readonly resolver: Resolver;
  readonly verifier: Verifier;
  readonly nowMs: number;
  /** For all questions to the DNS; what is not known by then is `temperror`. */
  readonly timeoutMs: number;
}

/**
 * Never rejects.
 *
 * @param octets the message, its lines ending in CRLF; `header` is its header section.
 */
export async function authenticate(
  octets: Uint8Array,
  header: HeaderSection,
  options: AuthenticateOptions,
): Promise<Authentication> {
  const { spf: { helo, mfrom }, verifier, nowMs, timeoutMs } = options;
  const { promise: late, resolve } = Promise.withResolvers<DnsAnswer<never>>();
  const timer = setTimeout(() => resolve({ kind: "tempfail", reason: "timeout" }), timeoutMs);
  const resolver: Pick<Resolver, "a" | "txt"> = {
    a: (name) => Promise.race([options.resolver.a(name), late]),
    txt: (name) => Promise.race([options.resolver.txt(name), late]),
  };
  try {
    const message = new SignedMessage(octets, header);
    const evaluation = new DmarcEvaluation(authorDomain(message), resolver);
    const verifying = { resolver, verifier, nowMs };
    const [dkim, arc] = await Promise.all([
      verifyDkim(message, verifying),
      verifyArc(message, verifying),
    ]);
    const dmarc = await evaluation.result({ mfrom, dkim });
    return { helo, mfrom, dkim, arc, dmarc };
  } finally {
    clearTimeout(timer);
  }
}
