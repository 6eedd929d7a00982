/**
 * check_host() (RFC 7208 §4): whether a domain lets a client send in its name. Asks the DNS within the bounds
 * of §4.6.4, so that no record makes us work for others. Does not know which names SMTP gave for what.
 */
import type { DnsAnswer, Resolver } from "../dns/resolver.ts";
import { isDomainName } from "../mail/domain.ts";
import { formatIp, type IpWords, isIpv4, parseIp } from "../mail/ip_address.ts";
import type { SpfVerdict } from "./results.ts";
import {
  asksForValidatedName,
  expandMacros,
  isExplanation,
  type MacroValues,
} from "./spf_macro.ts";
import { isSpfRecord, parseSpfRecord, type SpfMechanism, type SpfRecord } from "./spf_record.ts";

export interface SpfQuestion {
  readonly client: IpWords;
  readonly heloName: string;
  readonly localPart: string;
  /** In lower case and A-labels, a domain name of two labels or more. */
  readonly domain: string;
  /** Ours. */
  readonly hostname: string;
  readonly resolver: Resolver;
  readonly nowMs: number;
  /** Once it is aborted no more questions are put. */
  readonly signal: AbortSignal;
}

export interface SpfOutcome {
  readonly verdict: SpfVerdict;
  readonly explanation: string | null;
  /** Printable ASCII. */
  readonly reason: string | null;
}

/** RFC 7208 §4.6.4 */
const MAX_LOOKUPS = 10;
const MAX_VOID_LOOKUPS = 2;
const MAX_MX_NAMES = 10;
const MAX_PTR_NAMES = 10;
/** RFC 7208 §7.3 */
const MAX_NAME_CHARACTERS = 253;
const MAX_EXPLANATION_CHARACTERS = 300;

/** Evaluates a domain's policy. Never rejects. */
export function evaluateSpf(question: SpfQuestion): Promise<SpfOutcome> {
  return new Evaluation(question).run();
}

/** Ends the evaluation from within, whatever the depth. */
class Ended {
  constructor(readonly verdict: "temperror" | "permerror", readonly reason: string) {}
}

interface Found {
  readonly verdict: SpfVerdict;
  readonly reason: string | null;
  /** The `exp=` that counts for a `fail`, and the domain it stands at. */
  readonly explanation: { readonly domainSpec: string; readonly domain: string } | null;
}

class Evaluation {
  readonly #question: SpfQuestion;
  readonly #isIpv4: boolean;
  #lookups = 0;
  #voidLookups = 0;
  /** Names of the client that lead back to it. */
  #validatedNames: readonly string[] | null = null;

  constructor(question: SpfQuestion) {
    this.#question = question;
    this.#isIpv4 = isIpv4(question.client);
  }

  async run(): Promise<SpfOutcome> {
    try {
      const { verdict, reason, explanation } = await this.#checkHost(this.#question.domain);
      const told = verdict === "fail" && explanation !== null
        ? await this.#explanation(explanation.domainSpec, explanation.domain)
        : null;
      return { verdict, reason, explanation: told };
    } catch (error) {
      if (!(error instanceof Ended)) throw error;
      return { verdict: error.verdict, reason: error.reason, explanation: null };
    }
  }

  async #checkHost(domain: string): Promise<Found> {
    const record = await this.#record(domain);
    if (record === null) {
      return { verdict: "none", reason: `${domain} has no SPF record`, explanation: null };
    }
    const explanation = record.exp === null ? null : { domainSpec: record.exp, domain };
    for (const mechanism of record.mechanisms) {
      if (await this.#matches(mechanism, domain)) {
        return { verdict: mechanism.qualifier, reason: `${mechanism.text} matches`, explanation };
      }
    }
    if (record.redirect === null) {
      // RFC 7208 §4.7
      return { verdict: "neutral", reason: "no mechanism matches", explanation: null };
    }
    this.#countLookup();
    const target = await this.#target(record.redirect, domain);
    const found = target === null ? null : await this.#checkHost(target);
    // RFC 7208 §6.1
    if (found === null || found.verdict === "none") {
      throw new Ended("permerror", "redirect= leads to no record");
    }
    return found;
  }

  async #record(domain: string): Promise<SpfRecord | null> {
    const answer = await this.#ask(this.#question.resolver.txt(domain));
    if (answer.kind === "tempfail") throw tempfail(domain, answer.reason);
    if (answer.kind !== "found") return null;
    const records = answer.records.filter(isSpfRecord);
    if (records.length === 0) return null;
    // RFC 7208 §4.5
    if (records.length > 1) throw new Ended("permerror", `${domain} has several SPF records`);
    const record = parseSpfRecord(records[0]);
    if (record.kind === "fault") throw new Ended("permerror", `${domain}: ${record.reason}`);
    return record;
  }

  async #matches(mechanism: SpfMechanism, domain: string): Promise<boolean> {
    const { resolver, client } = this.#question;
    switch (mechanism.name) {
      case "all":
        return true;
      case "ip4":
      case "ip6":
        return this.#isIpv4 === (mechanism.name === "ip4") &&
          isWithin(client, mechanism.network, mechanism.bits, this.#isIpv4);
      case "include": {
        this.#countLookup();
        const target = await this.#target(mechanism.domainSpec, domain);
        const { verdict } = target === null ? { verdict: "none" } : await this.#checkHost(target);
        // RFC 7208 §5.2
        if (verdict === "none") throw new Ended("permerror", `${mechanism.text} has no record`);
        return verdict === "pass";
      }
      case "a": {
        this.#countLookup();
        const target = await this.#target(mechanism.domainSpec, domain);
        return target !== null && await this.#hasClient(this.#addresses(target), mechanism);
      }
      case "mx": {
        this.#countLookup();
        const target = await this.#target(mechanism.domainSpec, domain);
        if (target === null) return false;
        const answer = await this.#lookUp(resolver.mx(target), target);
        if (answer.length > MAX_MX_NAMES) throw new Ended("permerror", "too many MX records");
        // All at once, though what they say counts in their order.
        const asked = answer.map(({ exchange }) => this.#addresses(exchange));
        for (const addresses of asked) {
          if (await this.#hasClient(addresses, mechanism)) return true;
        }
        return false;
      }
      case "ptr": {
        this.#countLookup();
        const target = await this.#target(mechanism.domainSpec, domain);
        if (target === null) return false;
        const names = this.#validatedNames ??= await this.#validate();
        return names.some((name) => name === target || name.endsWith(`.${target}`));
      }
      case "exists": {
        this.#countLookup();
        const target = await this.#target(mechanism.domainSpec, domain);
        return target !== null &&
          (await this.#lookUp(resolver.a(target), target)).length > 0;
      }
    }
  }

  /** The name a domain-spec stands for; `null` for one no mechanism can match. */
  async #target(domainSpec: string | null, domain: string): Promise<string | null> {
    if (domainSpec === null) return domain;
    let name = (await this.#expanded(domainSpec, domain)).toLowerCase();
    if (name.endsWith(".")) name = name.slice(0, -1);
    while (name.length > MAX_NAME_CHARACTERS) {
      const dot = name.indexOf(".");
      if (dot < 0) return null;
      name = name.slice(dot + 1);
    }
    return name === "" ? null : name;
  }

  async #expanded(text: string, domain: string): Promise<string> {
    if (!text.includes("%")) return text;
    const { client, heloName: h, localPart: l, domain: o, hostname: r, nowMs } = this.#question;
    let p = "unknown";
    if (asksForValidatedName(text)) {
      // RFC 7208 §4.6.4: counted as the mechanism is.
      if (this.#validatedNames === null) this.#countLookup();
      const names = this.#validatedNames ??= await this.#validate();
      // RFC 7208 §7.3: the domain itself, else a name below it, else any.
      p = names.find((name) => name === domain) ??
        names.find((name) => name.endsWith(`.${domain}`)) ?? names[0] ?? p;
    }
    const values: MacroValues = {
      ...{ s: `${l}@${o}`, l, o, d: domain, i: dotted(client), p, h, c: formatIp(client), r },
      v: this.#isIpv4 ? "in-addr" : "ip6",
      t: String(Math.floor(nowMs / 1000)),
    };
    return expandMacros(text, values);
  }

  #addresses(name: string): Promise<DnsAnswer<string>> {
    const { resolver } = this.#question;
    return this.#isIpv4 ? resolver.a(name) : resolver.aaaa(name);
  }

  async #hasClient(
    asked: Promise<DnsAnswer<string>>,
    { text, ipv4Bits, ipv6Bits }: SpfMechanism & { readonly name: "a" | "mx" },
  ): Promise<boolean> {
    const bits = this.#isIpv4 ? ipv4Bits : ipv6Bits;
    const addresses = await this.#lookUp(asked, text);
    return addresses.some((address) => {
      const words = parseIp(address);
      return words !== null && isIpv4(words) === this.#isIpv4 &&
        isWithin(this.#question.client, words, bits, this.#isIpv4);
    });
  }

  /** RFC 7208 §5.5: the client's names that have its address; failures only leave names out. */
  async #validate(): Promise<readonly string[]> {
    const { client, resolver } = this.#question;
    const suffix = this.#isIpv4 ? "in-addr.arpa" : "ip6.arpa";
    const reverse = `${dotted(client).split(".").reverse().join(".")}.${suffix}`;
    const answer = await this.#ask(resolver.ptr(reverse));
    if (answer.kind !== "found") {
      if (answer.kind !== "tempfail") this.#countVoid();
      return [];
    }
    const names = answer.records.slice(0, MAX_PTR_NAMES);
    const addresses = await Promise.all(names.map((name) => this.#addresses(name)));
    return names.filter((_, index) => {
      const found = addresses[index];
      return found.kind === "found" && found.records.some((address) => {
        const words = parseIp(address);
        return words !== null && words.every((word, at) => word === client[at]);
      });
    });
  }

  /** Records, or none; counts what is void. */
  async #lookUp<T>(asked: Promise<DnsAnswer<T>>, about: string): Promise<readonly T[]> {
    const answer = await this.#ask(asked);
    switch (answer.kind) {
      case "found":
        return answer.records;
      case "tempfail":
        throw tempfail(about, answer.reason);
      case "nodata":
      case "nxdomain":
        this.#countVoid();
        return [];
    }
  }

  async #ask<T>(asked: Promise<DnsAnswer<T>>): Promise<DnsAnswer<T>> {
    const answer = await asked;
    if (this.#question.signal.aborted) throw new Ended("temperror", "the time was over");
    return answer;
  }

  #countLookup(): void {
    if (++this.#lookups > MAX_LOOKUPS) {
      throw new Ended("permerror", `more than ${MAX_LOOKUPS} DNS lookups`);
    }
  }

  #countVoid(): void {
    if (++this.#voidLookups > MAX_VOID_LOOKUPS) {
      throw new Ended(
        "permerror",
        `more than ${MAX_VOID_LOOKUPS} lookups of names that have nothing`,
      );
    }
  }

  /** RFC 7208 §6.2: whatever is wrong with it, there is none then. */
  async #explanation(domainSpec: string, domain: string): Promise<string | null> {
    try {
      const target = await this.#target(domainSpec, domain);
      if (target === null) return null;
      const answer = await this.#ask(this.#question.resolver.txt(target));
      if (answer.kind !== "found" || answer.records.length !== 1) return null;
      const text = answer.records[0].slice(0, 2 * MAX_EXPLANATION_CHARACTERS);
      if (!isExplanation(text)) return null;
      const told = await this.#expanded(text, domain);
      return /^[ -~]*$/.test(told) ? told.slice(0, MAX_EXPLANATION_CHARACTERS) : null;
    } catch (error) {
      if (error instanceof Ended) return null;
      throw error;
    }
  }
}

function tempfail(about: string, reason: string): Ended {
  const name = isDomainName(about) ? about : about.slice(0, 100).replace(/[^!-~]/g, "?");
  return new Ended("temperror", `DNS: ${reason} for ${name}`);
}

/** Whether the first bits agree; of an IPv4 address those of its last word. */
function isWithin(a: IpWords, b: IpWords, bits: number, isIpv4: boolean): boolean {
  for (let at = isIpv4 ? 3 : 0, left = bits; left > 0; at++, left -= 32) {
    const ignored = Math.max(0, 32 - left);
    if ((a[at] >>> ignored) !== (b[at] >>> ignored)) return false;
  }
  return true;
}

/** RFC 7208 §7.3: octets of IPv4 in decimal, nibbles of IPv6 in hexadecimal. */
function dotted(ip: IpWords): string {
  if (isIpv4(ip)) return formatIp(ip);
  const nibbles = ip.map((word) => word.toString(16).padStart(8, "0")).join("").toUpperCase();
  return [...nibbles].join(".");
}
