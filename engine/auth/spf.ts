/**
 * SPF for a transaction (RFC 7208): the HELO name and the reverse-path, each judged by the domain it names.
 * Says what the domains say; what follows from it is decided elsewhere.
 */
import type { Resolver } from "../dns/resolver.ts";
import { normalizeDomain } from "../mail/domain.ts";
import { parseIp } from "../mail/ip_address.ts";
import type { SpfResult } from "./results.ts";
import { evaluateSpf, type SpfOutcome, type SpfQuestion } from "./spf_evaluate.ts";

export interface SpfOptions {
  /** IPv4 or IPv6, as text. */
  readonly clientAddress: string;
  readonly heloName: string;
  /** As the envelope keeps it; empty for the null reverse-path. */
  readonly reversePath: string;
  /** Ours, for macros of explanations. */
  readonly hostname: string;
  readonly resolver: Resolver;
  readonly nowMs: number;
  /** For both checks together; what is not known by then is `temperror`. RFC 7208 §4.6.4 asks for 20 s at least. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface SpfResults {
  readonly helo: SpfResult;
  /** For the null reverse-path that of `postmaster@` the HELO name (RFC 7208 §2.4). */
  readonly mfrom: SpfResult;
}

const LATE: SpfOutcome = {
  verdict: "temperror",
  explanation: null,
  reason: "the time was over",
};

/** Checks both identities at once. Never rejects. */
export async function checkSpf(options: SpfOptions): Promise<SpfResults> {
  const { promise: late, resolve } = Promise.withResolvers<SpfOutcome>();
  const deadline = new AbortController();
  const end = () => {
    deadline.abort();
    resolve(LATE);
  };
  const timer = setTimeout(end, options.timeoutMs);
  if (options.signal?.aborted) end();
  options.signal?.addEventListener("abort", end, { once: true });
  const check = async (scope: SpfResult["scope"], who: Identity): Promise<SpfResult> => {
    const { domain, sender } = who;
    const question = questionOf(options, who, deadline.signal);
    const outcome = typeof question === "string"
      ? { verdict: "none" as const, explanation: null, reason: question }
      : await Promise.race([evaluateSpf(question), late]);
    return { ...outcome, scope, domain, sender };
  };
  try {
    const atHelo = identityOf("postmaster", options.heloName);
    if (options.reversePath === "") {
      const helo = await check("helo", atHelo);
      return { helo, mfrom: { ...helo, scope: "mfrom" } };
    }
    const at = options.reversePath.lastIndexOf("@");
    // RFC 7208 §4.3: without a local part it is that of postmaster.
    const localPart = options.reversePath.slice(0, Math.max(at, 0)) || "postmaster";
    const sender = identityOf(localPart, options.reversePath.slice(at + 1));
    const [helo, mfrom] = await Promise.all([check("helo", atHelo), check("mfrom", sender)]);
    return { helo, mfrom };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", end);
  }
}

interface Identity {
  readonly localPart: string;
  /** Empty when the text is no domain name. */
  readonly domain: string;
  readonly sender: string;
}

function identityOf(localPart: string, text: string): Identity {
  const domain = normalizeDomain(text.endsWith(".") ? text.slice(0, -1) : text) ?? "";
  return {
    localPart: unquoted(localPart),
    domain,
    sender: domain === "" ? "" : `${localPart}@${domain}`,
  };
}

/** RFC 5321 §4.1.2: quotes are how a local part is written, no part of it; macros mean the part itself. */
function unquoted(localPart: string): string {
  const isQuoted = localPart.length >= 2 && localPart.startsWith('"') && localPart.endsWith('"');
  return isQuoted ? localPart.slice(1, -1).replace(/\\(.)/gs, "$1") : localPart;
}

/** What to evaluate, or why there is nothing. */
function questionOf(
  { clientAddress, heloName, hostname, resolver, nowMs }: SpfOptions,
  { localPart, domain }: Identity,
  signal: AbortSignal,
): SpfQuestion | string {
  const client = parseIp(clientAddress);
  if (client === null) return "the client has no IP address";
  // RFC 7208 §4.3
  if (!domain.includes(".")) return "no domain name to check";
  return { client, heloName, localPart, domain, hostname, resolver, nowMs, signal };
}
