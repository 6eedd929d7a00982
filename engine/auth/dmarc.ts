/**
 * DMARC (RFC 9989): whether the domain of From stands behind a message, by an SPF or DKIM pass of a domain that
 * belongs to it, and what it asks for where none does. Domains belong together by the tree walk (§4.10), no list
 * of public suffixes is consulted. Decides nothing about the message.
 */
import type { Resolver } from "../dns/resolver.ts";
import type { AuthorDomain } from "./author_domain.ts";
import type { DkimResult, DmarcPolicy, DmarcResult, SpfResult } from "./results.ts";
import {
  type DmarcLookup,
  dmarcLookup,
  type DmarcPlace,
  findOrganization,
  lastLabels,
  type Organization,
} from "./tree_walk.ts";

/** The record that applies and where it stands. */
type Discovery =
  | { readonly kind: "policy"; readonly place: DmarcPlace; readonly policy: DmarcPolicy }
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "tempfail"; readonly reason: string };

export interface AuthenticatedBy {
  readonly mfrom: SpfResult;
  readonly dkim: readonly DkimResult[];
}

/** DMARC of one message; asks for the policy at once, while signatures are still being verified. */
export class DmarcEvaluation {
  readonly #author: AuthorDomain;
  readonly #resolver: Pick<Resolver, "a" | "txt">;
  readonly #lookups = new Map<string, Promise<DmarcLookup>>();
  readonly #organizations = new Map<string, Promise<Organization>>();
  readonly #discovery: Promise<Discovery> | null;

  /** @param resolver whoever has no time to wait gives one that answers in time. */
  constructor(author: AuthorDomain, resolver: Pick<Resolver, "a" | "txt">) {
    this.#author = author;
    this.#resolver = resolver;
    this.#discovery = author.kind === "domain" ? this.#discover(author.domain) : null;
  }

  /** Never rejects. */
  async result({ mfrom, dkim }: AuthenticatedBy): Promise<DmarcResult> {
    if (this.#author.kind === "fault") {
      const { reason, isAmbiguous } = this.#author;
      return { ...NOTHING, verdict: "permerror", reason, isAmbiguous };
    }
    const fromDomain = this.#author.domain;
    const discovery = await this.#discovery!;
    if (discovery.kind !== "policy") {
      const verdict = discovery.kind === "none" ? "none" : "temperror";
      return { ...NOTHING, fromDomain, verdict, reason: discovery.reason };
    }
    const { place: { domain: policyDomain, record }, policy } = discovery;
    const [spf, signed] = await Promise.all([
      this.#aligned(spfIdentities(mfrom), { author: fromDomain, isStrict: record.isSpfStrict }),
      this.#aligned(dkimIdentities(dkim), { author: fromDomain, isStrict: record.isDkimStrict }),
    ]);
    const isSpfAligned = spf === "pass";
    const isDkimAligned = signed === "pass";
    const isPass = isSpfAligned || isDkimAligned;
    // RFC 9989 §5.3.5: what may yet pass has not failed.
    const isOpen = spf === "temperror" || signed === "temperror";
    return {
      verdict: isPass ? "pass" : isOpen ? "temperror" : "fail",
      fromDomain,
      policyDomain,
      policy,
      isTesting: record.isTesting,
      isSpfAligned,
      isDkimAligned,
      reportTo: record.reportTo,
      record: record.tags,
      reason: isPass
        ? null
        : isOpen
        ? "what could have authenticated the domain was not to be found out"
        : "neither SPF nor DKIM authenticates the domain",
    };
  }

  async #discover(author: string): Promise<Discovery> {
    const own = await this.#lookUp(author);
    if (own.kind === "tempfail") return own;
    if (own.kind === "record") return policyAt({ domain: author, record: own.record }, "domain");
    const organization = await this.#organization(author);
    if (organization.kind === "tempfail") return organization;
    const { domain, places } = organization;
    // RFC 9989 §4.10.1: the organizational domain's record, else that of the public suffix above it.
    const place = places.find((place) => place.domain === domain) ??
      places.find(({ record }) => record.psd === "y");
    if (place === undefined) return { kind: "none", reason: "there is no DMARC record" };
    const { policies } = place.record;
    if (policies === null || policies.missingSubdomains === policies.subdomains) {
      return policyAt(place, "subdomains");
    }
    // RFC 9989 §3.2.8, RFC 8020: not even names below it exist.
    const { kind } = await this.#resolver.a(author);
    return policyAt(place, kind === "nxdomain" ? "missingSubdomains" : "subdomains");
  }

  /** The best that comes of these identities. */
  async #aligned(
    identities: readonly Identity[],
    { author, isStrict }: { readonly author: string; readonly isStrict: boolean },
  ): Promise<"pass" | "temperror" | "fail"> {
    const exact = identities.filter(({ domain }) => domain === author);
    if (exact.some(({ verdict }) => verdict === "pass")) return "pass";
    let best: "temperror" | "fail" = exact.length > 0 ? "temperror" : "fail";
    const others = identities.filter(({ domain }) => domain !== author);
    if (isStrict || others.length === 0) return best;
    const organization = await this.#organization(author);
    // Whoever passes is asked first.
    for (const { domain, verdict } of others.toSorted(passesFirst)) {
      if (organization.kind === "tempfail") {
        if (isBelow(domain, lastLabels(author, 2))) best = "temperror";
        continue;
      }
      if (!isBelow(domain, organization.domain)) continue;
      const other = await this.#organization(domain);
      if (other.kind === "domain" && other.domain !== organization.domain) continue;
      if (other.kind === "domain" && verdict === "pass") return "pass";
      best = "temperror";
    }
    return best;
  }

  #organization(domain: string): Promise<Organization> {
    let organization = this.#organizations.get(domain);
    if (organization === undefined) {
      organization = findOrganization(domain, (name) => this.#lookUp(name));
      this.#organizations.set(domain, organization);
    }
    return organization;
  }

  #lookUp(domain: string): Promise<DmarcLookup> {
    let lookup = this.#lookups.get(domain);
    if (lookup === undefined) {
      lookup = this.#resolver.txt(`_dmarc.${domain}`).then(dmarcLookup);
      this.#lookups.set(domain, lookup);
    }
    return lookup;
  }
}

interface Identity {
  readonly domain: string;
  readonly verdict: "pass" | "temperror";
}

const NOTHING: DmarcResult = {
  verdict: "none",
  fromDomain: "",
  policyDomain: "",
  policy: null,
  isTesting: false,
  isSpfAligned: false,
  isDkimAligned: false,
  reportTo: [],
  record: null,
  reason: null,
};

function policyAt(place: DmarcPlace, of: "domain" | "subdomains" | "missingSubdomains"): Discovery {
  const { policies } = place.record;
  return policies === null
    ? { kind: "none", reason: "the DMARC record asks for nothing that is known" }
    : { kind: "policy", place, policy: policies[of] };
}

function isBelow(domain: string, above: string): boolean {
  return domain === above || domain.endsWith(`.${above}`);
}

function spfIdentities({ domain, verdict }: SpfResult): Identity[] {
  return domain !== "" && (verdict === "pass" || verdict === "temperror")
    ? [{ domain, verdict }]
    : [];
}

function dkimIdentities(results: readonly DkimResult[]): Identity[] {
  const found = new Map<string, Identity>();
  for (const { domain, verdict } of results) {
    if (domain === "" || (verdict !== "pass" && verdict !== "temperror")) continue;
    if (found.get(domain)?.verdict !== "pass") found.set(domain, { domain, verdict });
  }
  return [...found.values()];
}

function passesFirst(a: Identity, b: Identity): number {
  return Number(b.verdict === "pass") - Number(a.verdict === "pass");
}
